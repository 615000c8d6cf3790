"""One decode of a segment, into the pictures that have to be looked at and the sound that has to be heard.

Every frame is decoded. ffmpeg picks the planned samples and, between them, each frame that differs suddenly from
the one before, so that a single flash is seen.
"""

import re
import shutil
import tempfile
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from operator import sub
from pathlib import Path

from moderation.media.ffmpeg import LIMITS, Limits, run
from moderation.media.sound import Sound, sound_chain, sound_output
from moderation.models.plan import (
    FrameEntry,
    FrameReason,
    FrameSize,
    Plan,
    SegmentFrames,
    SegmentSpan,
    TrackSpan,
    VideoTrack,
)

CHANGES_PER_SECOND = 4
"""How many frames are looked at for scene changes in the long run, and at once twice as many."""
_BURST = 8
_FLOOR, _OUTLIER, _SUDDEN = 0.05, 2.5, 0.18
"""A change of mean luma (0..2.55) is a scene change above the floor when it stands out from the recent motion,
and whatever the motion when it is sudden. Measured on cut, shaky and still clips: see tests."""
_MEMORY = 0.9
_GRID = 32
_SAME = 10
_REMEMBERED = 4
_QUALITY = 3
_PICTURE_BYTES = 4 * 2**20
_ERRORS = re.compile(r"Input stream #0:(\d+) \(video\): .* (\d+) decode errors")
_TURN = {0: "", 90: ",transpose=clock", 180: ",hflip,vflip", 270: ",transpose=cclock"}


@dataclass(frozen=True)
class Extracted:
    """One segment on disk: `archive` is a stored zip of index.json and the pictures, `sounds` are WAV files."""

    archive: Path
    frames: SegmentFrames
    sounds: tuple[Sound, ...]


@dataclass(frozen=True)
class _Picked:
    """A frame that ffmpeg wrote: the `number`-th of its track's pictures, and what it looks like in the small."""

    track: VideoTrack
    number: int
    time: float
    reason: FrameReason
    small: bytes


def extract_segment(
    source: Path | str,
    plan: Plan,
    index: int,
    *,
    sizes: Sequence[FrameSize],
    with_sound: bool = False,
    deadline: float,
    folder: Path,
    limits: Limits = LIMITS,
) -> Extracted:
    """Decode segment `index` of `plan` once until `deadline` (time.monotonic()) and leave the results in `folder`.

    Frames that cannot be decoded are missing and counted, never an error. Raises MediaRefused(timeout) at the
    deadline, SourceUnavailable when our own URL fails.
    """
    span = plan.segments[index]
    work = Path(tempfile.mkdtemp(prefix="pictures-", dir=folder))
    try:
        return _extract(source, plan, span, sizes, with_sound, deadline, folder, work, limits)
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _extract(
    source: Path | str,
    plan: Plan,
    span: SegmentSpan,
    sizes: Sequence[FrameSize],
    with_sound: bool,
    deadline: float,
    folder: Path,
    work: Path,
    limits: Limits,
) -> Extracted:
    videos = {track.index: track for track in plan.video}
    pictures = [(videos[part.track], part) for part in span.tracks] if sizes else []
    heard = [track for track in plan.audio if with_sound and track.index in span.sound]
    until = span.end if span.index < len(plan.segments) - 1 else None
    chains = [_picture_chain(track, part, span, until, sizes) for track, part in pictures]
    outputs = [argument for track, part in pictures for argument in _picture_outputs(track, part, sizes, work)]
    sounds: list[Sound] = []
    for track in heard:
        label = f"s{track.index}"
        chains.append(sound_chain(track, span, until, label))
        arguments, sound = sound_output(track, span, label, folder)
        outputs += arguments
        sounds.append(sound)
    errors = 0
    if chains:
        graph = work / "graph"
        graph.write_text(";".join(chains))
        ended = run(
            source,
            _before(plan, span),
            ["-filter_complex_threads", "1", "-/filter_complex", str(graph), *outputs],
            deadline=deadline,
            limits=limits,
            level="verbose",
            keep=_ERRORS,
        )
        errors = sum(int(found[2]) for entry in ended.log if (found := _ERRORS.search(entry)))
    picked: list[_Picked] = []
    decoded, capped = 0, False
    for track, part in pictures:
        seen, found = _read(track, part, sizes, work)
        decoded += seen
        capped |= _capped(found)
        picked += found
    picked.sort(key=lambda frame: (frame.time, frame.track.index))
    entries = tuple(_entries(picked, sizes))
    frames = SegmentFrames(
        index=span.index,
        start=span.start,
        end=span.end,
        planned=sum(len(part.samples) for _, part in pictures)
        + sum(entry.reason is FrameReason.SCENE for entry in entries),
        expected=sum(part.expected for _, part in pictures),
        decoded=decoded,
        errors=errors,
        reduced=plan.key_frames_only,
        capped=capped,
        frames=entries,
    )
    archive = folder / "frames.zip"
    _pack(archive, frames, picked, work)
    return Extracted(archive, frames, tuple(sound for sound in sounds if sound.path.is_file()))


def _before(plan: Plan, span: SegmentSpan) -> list[str]:
    arguments = ["-copyts", "-noautorotate", "-threads", "1", "-max_error_rate", "1"]
    # Frames that no other frame is predicted from need no smoothing of their block edges to be recognised.
    arguments += ["-skip_frame:v", "nokey"] if plan.key_frames_only else ["-skip_loop_filter:v", "noref"]
    if plan.ignore_edit_lists:
        arguments += ["-ignore_editlist", "1"]
    if span.seek is not None:
        # A moment later than the key frame, lest rounding lands on the one before.
        arguments += ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", f"{span.seek + 0.0005:.6f}"]
    return arguments


def _picture_chain(
    track: VideoTrack, part: TrackSpan, span: SegmentSpan, until: float | None, sizes: Sequence[FrameSize]
) -> str:
    """All frames in the small, and the picked ones in each size.

    Each frame passes `select` twice: the second pass has no difference to the first, so that `scene`, which is the
    smaller of a change and the change of that change, is the change itself. Two different flashes in a row are seen.
    """
    i, half = track.index, track.tick / 2
    start = f"{span.start + track.origin - half:.6f}"
    trim = "null" if until is None else f"trim=end={until + track.origin - half:.6f}"
    samples = [time + track.origin - half for time in part.samples]
    small = f"[a{i}]select='gte(t,{start})',scale={4 * _GRID}:{4 * _GRID}:flags=fast_bilinear,"
    small += f"scale={_GRID}:{_GRID}:flags=area,format=gray[small{i}]"
    names = [f"p{i}{size.name}" for size in sizes]
    picks = f"[b{i}][c{i}]interleave,select='{_picks(start, samples)}',split={len(sizes)}"
    picks += "".join(f"[{name}x]" for name in names)
    scaled = [f"[{name}x]{_scale(track, size)}[{name}]" for name, size in zip(names, sizes, strict=True)]
    return ";".join([f"[0:{i}]{trim},split=3[a{i}][b{i}][c{i}]", small, picks, *scaled])


def _picks(start: str, samples: Sequence[float]) -> str:
    """The expression that picks a frame. Its variables: 0 samples taken, 1 samples due by now, 2 usual change,
    3 whether this change stands out, 4 changes looked at lately, 5 time of the frame before.
    """
    due = "gt(ld(1),ld(0))"
    change = f"gt(scene,max({_FLOOR},{_OUTLIER}*ld(2)))+gt(scene,{_SUDDEN})"
    return ";".join(
        (
            f"st(1,{_count(samples, 0, len(samples))})",
            f"st(3,({change})*lt(ld(4),{_BURST})*not({due}))",
            f"if(not(mod(n,2)),st(2,{_MEMORY}*ld(2)+{1 - _MEMORY:.1f}*scene);"
            f"st(4,max(0,ld(4)-{CHANGES_PER_SECOND}*max(0,t-ld(5))));st(5,t))",
            f"if(gte(t,{start}),st(6,{due}+ld(3));st(0,ld(1));st(4,ld(4)+ld(3));ld(6))",
        )
    )


def _count(samples: Sequence[float], low: int, high: int) -> str:
    """An expression for how many of samples[low:high], plus `low`, are not after t: a search tree of comparisons."""
    if low == high:
        return str(low)
    middle = (low + high) // 2
    return f"if(lt(t,{samples[middle]:.6f}),{_count(samples, low, middle)},{_count(samples, middle + 1, high)})"


def _scale(track: VideoTrack, size: FrameSize) -> str:
    """Scale before turning: fewer pixels. JPEG means full range and the colours of BT.601."""
    shown = (track.width, track.height)
    factor = min(1.0, size.pixels / (min(shown) if size.side == "short" else max(shown)))
    width, height = (max(1, round(side * factor)) for side in shown)
    if track.rotation in (90, 270):
        width, height = height, width
    scale = f"scale={width}:{height}:flags=bicubic:out_range=full:out_color_matrix=bt601"
    return f"{scale},format=yuvj420p{_TURN[track.rotation]},setsar=1"


def _picture_outputs(track: VideoTrack, part: TrackSpan, sizes: Sequence[FrameSize], work: Path) -> list[str]:
    i = track.index
    times = ["-fps_mode", "passthrough", "-enc_time_base", "demux", "-threads", "1"]
    told = ["-stats_enc_pre_fmt", "{pts} {tb}", "-stats_enc_pre"]
    most = len(part.samples) + _BURST + int(CHANGES_PER_SECOND * (part.samples[-1] - part.samples[0] + 2))
    outputs = ["-map", f"[small{i}]", *times, *told, f"{work / f'small{i}.txt'}"]
    outputs += ["-c:v", "rawvideo", "-frames:v", str(4 * part.expected + 1000), "-f", "rawvideo"]
    outputs += [f"file:{work / f'small{i}.raw'}"]
    for order, size in enumerate(sizes):
        outputs += ["-map", f"[p{i}{size.name}]", *times]
        if order == 0:
            outputs += [*told, f"{work / f'picked{i}.txt'}"]
        outputs += ["-c:v", "mjpeg", "-q:v", str(_QUALITY), "-frames:v", str(most), "-f", "image2"]
        outputs += ["-fs", str(most * _PICTURE_BYTES), f"file:{work / f'{i}-{size.name}-%06d.jpg'}"]
    return outputs


def _read(track: VideoTrack, part: TrackSpan, sizes: Sequence[FrameSize], work: Path) -> tuple[int, list[_Picked]]:
    """How many frames of the segment were decoded, and the picked ones of which all pictures were written."""
    clocks = _clocks(work / f"small{track.index}.txt")
    place = {clock: number for number, clock in enumerate(clocks)}
    half = track.tick / 2
    picked: list[_Picked] = []
    reached = 0
    with (work / f"small{track.index}.raw").open("rb") as raw:
        for number, clock in enumerate(_clocks(work / f"picked{track.index}.txt"), start=1):
            if clock not in place or not all(_picture(work, track, size, number).is_file() for size in sizes):
                continue
            raw.seek(place[clock] * _GRID * _GRID)
            time = clock - track.origin
            due = bisect_right(part.samples, time + half)
            reason = FrameReason.INTERVAL if due > reached else FrameReason.SCENE
            reached = max(reached, due)
            if abs(time - track.start) <= half:
                reason = FrameReason.FIRST
            elif abs(time - track.last) <= half:
                reason = FrameReason.LAST
            picked.append(_Picked(track, number, round(time, 6), reason, raw.read(_GRID * _GRID)))
    return len(clocks), picked


def _clocks(path: Path) -> list[float]:
    """What ffmpeg's clock showed at each frame of an output."""
    if not path.is_file():
        return []
    clocks = []
    for line in path.read_text().splitlines():
        ticks, _, base = line.partition(" ")
        above, _, below = base.partition("/")
        clocks.append(int(ticks) * int(above) / int(below))
    return clocks


def _picture(work: Path, track: VideoTrack, size: FrameSize, number: int) -> Path:
    return work / f"{track.index}-{size.name}-{number:06d}.jpg"


def _capped(picked: Sequence[_Picked]) -> bool:
    """Whether the budget for scene changes was ever spent, so that one more would have been passed over."""
    spent, before = 0.0, 0.0
    for frame in picked:
        if frame.reason is FrameReason.SCENE:
            spent = max(0.0, spent - CHANGES_PER_SECOND * (frame.time - before)) + 1
            before = frame.time
            if spent >= _BURST:
                return True
    return False


def _entries(picked: Sequence[_Picked], sizes: Sequence[FrameSize]) -> Iterator[FrameEntry]:
    """The index of the picked frames. A near-duplicate of one of the last kept frames of its track has no pictures."""
    kept: dict[int, list[tuple[int, bytes]]] = {}
    for ordinal, frame in enumerate(picked):
        recent = kept.setdefault(frame.track.index, [])
        same = next((earlier for earlier, small in reversed(recent) if _alike(small, frame.small)), None)
        if same is None:
            recent.append((ordinal, frame.small))
            del recent[:-_REMEMBERED]
        yield FrameEntry(
            ordinal=ordinal,
            track=frame.track.index,
            time=frame.time,
            reason=frame.reason,
            duplicate_of=same,
            pictures={} if same is not None else {size.name: f"{size.name}/{ordinal:06d}.jpg" for size in sizes},
        )


def _alike(one: bytes, other: bytes) -> bool:
    """Whether no block of the picture differs: the mean would hide a small new object."""
    return max(map(abs, map(sub, one, other))) <= _SAME


def _pack(archive: Path, frames: SegmentFrames, picked: Sequence[_Picked], work: Path) -> None:
    """Move the pictures into a stored zip: JPEG does not shrink, and no picture is on disk twice."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as stored:
        stored.writestr("index.json", frames.model_dump_json())
        for entry, frame in zip(frames.frames, picked, strict=True):
            for name, member in entry.pictures.items():
                path = work / f"{frame.track.index}-{name}-{frame.number:06d}.jpg"
                stored.write(path, member)
                path.unlink()
