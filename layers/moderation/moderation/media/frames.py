"""One decode of a segment, into the pictures that have to be looked at and the sound that has to be heard.

Every frame is decoded. ffmpeg picks the planned samples and, between them, each frame that differs suddenly from
the one before, so that a single flash is seen.
"""

import re
import shutil
import tempfile
import zipfile
from bisect import bisect_right
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import pairwise
from operator import sub
from pathlib import Path

from moderation.media.ffmpeg import LIMITS, Limits, run
from moderation.media.sound import Sound, sound_chain, sound_output
from moderation.models.plan import (
    CLIP,
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
"""How many frames are looked at for scene changes in the long run, and at once ten times as many."""
_BURST = 40
_FLOOR, _OUTLIER, _SUDDEN = 0.05, 2.5, 0.18
"""A change of mean luma (0..2.55) is a scene change above the floor when it stands out from the recent motion,
and whatever the motion when it is sudden."""
_MEMORY = 0.9
_GRID = 64
"""Cells of the small picture across and down. With 32 a readable code of 45 pixels of 1,280 was lost on grey."""
_SMALL_BYTES = _GRID * _GRID * 3 // 2
_SAME = 10
"""Levels by which no cell of the grid differs in near-duplicates, neither in light nor in colour."""
_REMEMBERED = 4
_QUALITY = 3
_PICTURE_BYTES = 4 * 2**20
_NEAR_KEYS = 15.0
CLIP_SIDE, CLIP_FRAMES = 112, 16
"""What motion is judged by: square pictures, whatever the shape of the video."""
CLIP_RATE = 8
CLIP_EVERY = 4.0
"""Seconds from clip to clip of two seconds: a fight that lasts is in one of them for the most part."""
_LEAST_CLIP = CLIP_FRAMES // 2
_ERRORS = re.compile(
    r"Input stream #0:\d+ \(video\): .*?(?P<lost>\d+) decode errors|^\x1b\[vist.* \x1bcorrupt decoded frame"
)
_TONES = (
    "zscale=tin=smpte2084:pin=2020:min=2020_ncl:t=linear:npl=100,format=gbrpf32le,zscale=p=709,tonemap=hable:desat=0,"
    "zscale=t=709:m=470bg:r=full,format=yuvj420p"
)
"""From a high dynamic range to what a usual screen shows: on pictures already made small, so that it costs little.

Pictures by the other curve in use, HLG, are made to be shown as they are.
"""
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


@dataclass(frozen=True)
class _Part:
    """One video track's share of a segment. `start` and `end` are on ffmpeg's clock, half a tick early."""

    track: VideoTrack
    span: TrackSpan
    start: float
    end: float | None


def extract_segment(
    source: Path | str,
    plan: Plan,
    index: int,
    *,
    sizes: Sequence[FrameSize],
    with_sound: bool = False,
    with_clips: bool = False,
    deadline: float,
    folder: Path,
    threads: int = 1,
    limits: Limits = LIMITS,
) -> Extracted:
    """Decode segment or window `index` of `plan` once and leave the results in `folder`, until `deadline`.

    That is a value of time.monotonic().

    `threads` decode one track together: more than 1 pays only where no other segment is decoded at the same time.
    Frames that cannot be decoded are missing and counted, never an error. Raises MediaRefused(timeout) at the
    deadline, SourceUnavailable when our own URL fails.
    """
    span = plan.span(index)
    parts = _parts(plan, span) if sizes else []
    heard = [track for track in plan.audio if with_sound and track.index in span.sound]
    sounds = [Sound(track.index, folder / f"sound-{track.index}.wav", span.start) for track in heard]
    work = Path(tempfile.mkdtemp(prefix="pictures-", dir=folder))
    try:
        errors = 0
        if parts or heard:
            graph = work / "graph"
            chains = [_picture_chain(part, sizes, with_clips) for part in parts]
            chains += [sound_chain(track, span, _until(plan, span), counted=plan.counted_times) for track in heard]
            graph.write_text(";".join(chains))
            outputs = [argument for part in parts for argument in _picture_outputs(part, sizes, work)]
            outputs += [argument for part in parts if with_clips for argument in _clip_outputs(part, work)]
            outputs += [argument for sound in sounds for argument in sound_output(sound, span)]
            ended = run(
                source,
                [*_input_options(plan, span), "-threads", str(threads)],
                ["-filter_complex_threads", "1", "-/filter_complex", str(graph), *outputs],
                deadline=deadline,
                limits=limits,
                level="verbose",
                keep=_ERRORS.search,
            )
            errors = sum(int(found["lost"] or 1) for entry in ended.log if (found := _ERRORS.search(entry)))
        decoded = [_clocks(work / f"all{part.track.index}.txt") for part in parts]
        picked = [_read(part, sizes, work) for part in parts]
        shown = sorted((frame for track in picked for frame in track), key=lambda f: (f.time, f.track.index))
        entries = tuple(_entries(shown, sizes))
        clips = _clips(entries, {part.track.index: _small(part.track, work) for part in parts if with_clips})
        frames = SegmentFrames(
            index=span.index,
            start=span.start,
            end=span.end,
            planned=sum(len(part.span.samples) for part in parts)
            + sum(frame.reason is FrameReason.SCENE for frame in shown)
            + sum(_backwards(clocks) for clocks in decoded),
            expected=span.packets if sizes else 0,
            decoded=sum(len(clocks) for clocks in decoded),
            errors=errors,
            reduced=plan.key_frames_only,
            capped=any(_capped(track) for track in picked),
            detectors=span.detectors,
            frames=tuple(_with_clip(entry) if entry.ordinal in clips else entry for entry in entries),
        )
        archive = folder / "frames.zip"
        _pack(archive, frames, shown, clips, work)
    finally:
        shutil.rmtree(work, ignore_errors=True)
    return Extracted(archive, frames, tuple(sound for sound in sounds if sound.path.is_file()))


def _until(plan: Plan, span: SegmentSpan) -> float | None:
    """Where a segment ends; the last one reads on to whatever comes after the announced end."""
    return None if span.index == len(plan.segments) - 1 else span.end


def _parts(plan: Plan, span: SegmentSpan) -> list[_Part]:
    tracks = {track.index: track for track in plan.video}
    until = _until(plan, span)
    parts = []
    for part in span.tracks:
        track = tracks[part.track]
        early = track.origin - _margin(track)
        parts.append(_Part(track, part, span.start + early, None if until is None else until + early))
    return parts


def _margin(track: VideoTrack) -> float:
    """Half a tick, by which times are told apart; at least what planned times, in microseconds, are rounded by."""
    return max(track.tick / 2, 1e-6)


def _input_options(plan: Plan, span: SegmentSpan) -> list[str]:
    # Not every player heeds a crop that the container asks for.
    arguments = ["-copyts", "-noautorotate", "-apply_cropping", "codec", "-max_error_rate", "1"]
    if plan.key_frames_only and plan.video:  # of a file of sound alone ffmpeg does not take it
        arguments += ["-skip_frame:v", "nokey"]
    arguments += ["-skip_loop_filter:v", "all" if _rough(plan, span) else "noref"]
    if plan.ignore_edit_lists:
        arguments += ["-ignore_editlist", "1"]
    if span.seek is not None:
        # A moment later than the key frame, lest rounding lands on the one before.
        arguments += ["-seek_timestamp", "1", "-noaccurate_seek", "-ss", f"{span.seek + 0.0005:.6f}"]
    return arguments


def _rough(plan: Plan, span: SegmentSpan) -> bool:
    """Whether the edges of blocks may stay unsmoothed, which saves a seventh of the time.

    The difference grows from key frame to key frame. In H.264 with a key frame every 10 s it stays under what JPEG
    does to a picture: above 39 dB at usual rates, above 32 dB at the poorest. Other codecs lean on their filters.
    """
    codecs = {track.index: track.codec for track in plan.video}
    return all(codecs[part.track] == "h264" and part.key_distance <= _NEAR_KEYS for part in span.tracks)


def _picture_chain(part: _Part, sizes: Sequence[FrameSize], with_clips: bool) -> str:
    """All frames, to be counted, and the picked ones in the small and in each size.

    Each frame passes `select` twice: the second pass has no difference to the first, so that `scene`, which is the
    smaller of a change and the change of that change, is the change itself. Two different flashes in a row are seen.
    """
    i = part.track.index
    clock = "null" if part.track.step is None else f"setpts=N*{part.track.step}"
    trim = "null" if part.end is None else f"trim=end={part.end:.6f}"
    small = f"scale={2 * _GRID}:{2 * _GRID}:flags=fast_bilinear,scale={_GRID}:{_GRID}:flags=area,format=yuv420p"
    chains = [
        f"[0:{i}]{clock},{trim},split={4 if with_clips else 3}[a{i}][b{i}][c{i}]{f'[d{i}]' if with_clips else ''}",
        f"[a{i}]select='gte(t,{part.start:.6f})'[all{i}]",
        f"[b{i}][c{i}]interleave,select='{_picks(part)}',split[{i}s][{i}x0]",
        f"[{i}s]{small}[small{i}]",
    ]
    turn = (",hflip" if part.track.mirrored else "") + _TURN[part.track.rotation]
    if with_clips:
        cell, last = (f"floor({t}*{CLIP_RATE})" for t in ("t", "prev_selected_t"))
        due = f"select='gte(t,{part.start:.6f})*(isnan(prev_selected_t)+not(eq({cell},{last})))'"
        chains.append(f"[d{i}]{due},{_scale(part.track, CLIP_SIDE, CLIP_SIDE)},setsar=1{turn}[clip{i}]")
    # Each size is made from the next larger one: fewer pixels to read.
    shapes = sorted(((_shape(part.track, size), size.name) for size in sizes), reverse=True)
    for order, ((width, height), name) in enumerate(shapes):
        scale = _scale(part.track, width, height, mapped=order > 0)
        rest = f",split[{i}y{order}][{i}x{order + 1}];[{i}y{order}]" if order < len(shapes) - 1 else ","
        chains.append(f"[{i}x{order}]{scale}{rest}setsar=1{turn}[p{i}{name}]")
    return ";".join(chains)


def _scale(track: VideoTrack, width: int, height: int, *, mapped: bool = False) -> str:
    """To a JPEG's pixels; `mapped` are pictures of which the range of light is a screen's already."""
    if track.pq and not mapped:
        return f"scale={width}:{height}:flags=bilinear,{_TONES}"
    # JPEG means full range and the colours of BT.601.
    return f"scale={width}:{height}:flags=bilinear:out_range=full:out_color_matrix=bt601,format=yuvj420p"


def _picks(part: _Part) -> str:
    """The expression that picks a frame. Its variables: 0 samples taken, 1 samples due by now, 2 usual change,
    3 whether this change stands out, 4 changes looked at lately, 5 time of the frame before, 6 the answer.
    """
    early = part.track.origin - _margin(part.track)
    samples = [time + early for time in part.span.samples]
    stands_out = f"gt(scene,max({_FLOOR},{_OUTLIER}*ld(2)))+gt(scene,{_SUDDEN})"
    due = "gt(ld(1),ld(0))"
    steps = [
        f"st(1,{_count(samples, 0, len(samples))})",
        f"st(3,({stands_out})*lt(ld(4),{_BURST})*not({due}))",
        f"st(2,if(mod(n,2),ld(2),{_MEMORY}*ld(2)+{1 - _MEMORY:.1f}*scene))",
        f"st(4,max(0,ld(4)-{CHANGES_PER_SECOND}*max(0,t-ld(5))))",
        "st(5,t)",
        f"if(gte(t,{part.start:.6f}),st(6,{due}+gt(ld(3),0));st(0,ld(1));st(4,ld(4)+gt(ld(3),0));ld(6))",
    ]
    return ";".join(steps)


def _count(samples: Sequence[float], low: int, high: int) -> str:
    """An expression for how many of samples[low:high], plus `low`, are not after t: a search tree of comparisons."""
    if low == high:
        return str(low)
    middle = (low + high) // 2
    return f"if(lt(t,{samples[middle]:.6f}),{_count(samples, low, middle)},{_count(samples, middle + 1, high)})"


def _shape(track: VideoTrack, size: FrameSize) -> tuple[int, int]:
    """Width and height to scale to, before the picture is turned: that way round fewer pixels are turned."""
    shown = (track.width, track.height)
    factor = min(1.0, size.pixels / (min(shown) if size.side == "short" else max(shown)))
    width, height = (max(1, round(side * factor)) for side in shown)
    return (height, width) if track.rotation in (90, 270) else (width, height)


def _picture_outputs(part: _Part, sizes: Sequence[FrameSize], work: Path) -> list[str]:
    i, samples = part.track.index, part.span.samples
    times = ["-fps_mode", "passthrough", "-enc_time_base", "demux", "-threads", "1"]
    told = ["-stats_enc_pre_fmt", "{pts} {tb}", "-stats_enc_pre"]
    most = len(samples) + _BURST + int(CHANGES_PER_SECOND * (samples[-1] - samples[0] + 2))
    outputs = ["-map", f"[all{i}]", *times, *told, f"{work / f'all{i}.txt'}", "-c:v", "wrapped_avframe"]
    outputs += ["-frames:v", str(4 * part.span.expected + 1000), "-f", "null", "-"]
    outputs += ["-map", f"[small{i}]", *times, "-c:v", "rawvideo", "-frames:v", str(most)]
    outputs += ["-f", "rawvideo", f"file:{work / f'small{i}.raw'}"]
    for order, size in enumerate(sizes):
        outputs += ["-map", f"[p{i}{size.name}]", *times]
        if order == 0:
            outputs += [*told, f"{work / f'picked{i}.txt'}"]
        outputs += ["-c:v", "mjpeg", "-q:v", str(_QUALITY), "-frames:v", str(most), "-fs", str(most * _PICTURE_BYTES)]
        outputs += ["-f", "image2", f"file:{work / f'{i}-{size.name}-%06d.jpg'}"]
    return outputs


def _clip_outputs(part: _Part, work: Path) -> list[str]:
    i, samples = part.track.index, part.span.samples
    times = ["-fps_mode", "passthrough", "-enc_time_base", "demux", "-threads", "1"]
    times += ["-stats_enc_pre_fmt", "{pts} {tb}", "-stats_enc_pre", f"{work / f'clip{i}.txt'}"]
    most = int(CLIP_RATE * (samples[-1] - samples[0] + CLIP_EVERY))
    outputs = ["-map", f"[clip{i}]", *times, "-c:v", "mjpeg", "-q:v", str(_QUALITY), "-frames:v", str(most)]
    return [*outputs, "-f", "image2", f"file:{work / f'{i}-clip-%06d.jpg'}"]


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


def _read(part: _Part, sizes: Sequence[FrameSize], work: Path) -> list[_Picked]:
    """The picked frames of which all pictures were written."""
    track, half = part.track, _margin(part.track)
    picked: list[_Picked] = []
    reached = 0
    raw = work / f"small{track.index}.raw"
    if not raw.is_file():
        return picked
    with raw.open("rb") as smalls:
        for number, clock in enumerate(_clocks(work / f"picked{track.index}.txt"), start=1):
            small = smalls.read(_SMALL_BYTES)
            if len(small) < _SMALL_BYTES or not all(
                _picture(work, track, size.name, number).is_file() for size in sizes
            ):
                continue
            time = clock - track.origin
            due = bisect_right(part.span.samples, time + half)
            reason = FrameReason.INTERVAL if due > reached else FrameReason.SCENE
            reached = max(reached, due)
            if abs(time - track.start) <= half:
                reason = FrameReason.FIRST
            elif abs(time - track.last) <= half:
                reason = FrameReason.LAST
            picked.append(_Picked(track, number, round(time, 6), reason, small))
    return picked


def _picture(work: Path, track: VideoTrack, size: str, number: int) -> Path:
    return work / f"{track.index}-{size}-{number:06d}.jpg"


def _backwards(clocks: Sequence[float]) -> int:
    """How often time ran backwards: samples of such a stretch may have been taken for samples of another."""
    return sum(after < before for before, after in pairwise(clocks))


def _capped(picked: Sequence[_Picked]) -> bool:
    """Whether the budget for scene changes was ever spent, so that one more would have been passed over."""
    spent = before = 0.0
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


def _small(track: VideoTrack, work: Path) -> list[tuple[float, Path]]:
    """The time of each small picture of a track and where it is."""
    clocks = enumerate(_clocks(work / f"clip{track.index}.txt"), start=1)
    small = [(clock - track.origin, _picture(work, track, CLIP, number)) for number, clock in clocks]
    return sorted(one for one in small if one[1].is_file())


def _clips(entries: Sequence[FrameEntry], small: Mapping[int, Sequence[tuple[float, Path]]]) -> dict[int, list[Path]]:
    """By ordinal of the frame where it begins, or shortly before which it does at the end, each clip's pictures.

    Of what comes too slowly, or is too short, there are no clips.
    """
    due: dict[int, float] = {}
    clips: dict[int, list[Path]] = {}
    for entry in entries:
        if entry.duplicate_of is not None or entry.time < due.get(entry.track, entry.time):
            continue
        length = CLIP_FRAMES / CLIP_RATE
        near = [one for one in small.get(entry.track, ()) if abs(one[0] - entry.time) < length]
        after = [one for one in near if one[0] > entry.time - 1 / CLIP_RATE]
        taken = after[:CLIP_FRAMES] if len(after) >= CLIP_FRAMES else near[-CLIP_FRAMES:]
        if len(taken) >= _LEAST_CLIP:
            clips[entry.ordinal] = [path for _, path in taken]
            due[entry.track] = entry.time + CLIP_EVERY
    return clips


def _with_clip(entry: FrameEntry) -> FrameEntry:
    return entry.model_copy(update={"pictures": {**entry.pictures, CLIP: f"{CLIP}/{entry.ordinal:06d}.mjpeg"}})


def _alike(one: bytes, other: bytes) -> bool:
    """Whether no cell of the picture differs: the mean would hide a small new object."""
    return all(abs(level) <= _SAME for level in map(sub, one, other))


def _pack(
    archive: Path,
    frames: SegmentFrames,
    picked: Sequence[_Picked],
    clips: Mapping[int, Sequence[Path]],
    work: Path,
) -> None:
    """Move the pictures into a stored zip: JPEG does not shrink, and no picture is on disk twice."""
    with zipfile.ZipFile(archive, "w", zipfile.ZIP_STORED) as stored:
        stored.writestr("index.json", frames.model_dump_json())
        for entry, frame in zip(frames.frames, picked, strict=True):
            for size, member in entry.pictures.items():
                if size == CLIP:
                    stored.writestr(member, b"".join(path.read_bytes() for path in clips[entry.ordinal]))
                    continue
                path = _picture(work, frame.track, size, frame.number)
                stored.write(path, member)
                path.unlink()
