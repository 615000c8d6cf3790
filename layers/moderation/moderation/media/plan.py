"""Where a media is cut and which of its frames have to be looked at, from what is really in the file.

One pass over the packets, without decoding, gives true presentation times, durations and key frames; a few frames
are then decoded to know that there is something to see.
"""

import re
from array import array
from bisect import bisect_left, bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from pathlib import Path
from typing import Literal

from moderation.media.ffmpeg import LIMITS, Limits, MediaRefused, run
from moderation.media.probe import Header, Stream, read_header
from moderation.models.plan import AudioTrack, Evasion, Plan, RefusalCode, SegmentSpan, TrackSpan, VideoTrack

SHORTEST, LONGEST = 30.0, 300.0
"""Seconds of a segment: long enough to pay for a start of ffmpeg, short enough for one Lambda call."""
SEGMENTS = 88
"""A long media is cut into so many, or one more for the rest."""
_SPARSE = 60.0
_ENTRIES = 4.0
_SEEKABLE = {"mov", "matroska", "mpegts", "mpeg", "avi", "flv", "asf", "ogg"}
_ANIMATIONS = {"gif", "apng", "webp_anim"}
_STILLS = {"avif", "heic", "heix", "heim", "heis", "mif1", "miaf"}
_DISCARD = 0x4
_NO_TIME = -(2**63)
_EDIT_SLACK = 0.002
_PRIMING = 0.25
_LARGEST_ASPECT = 8.0
_USUAL_STEP = 0.04
_FIELDS = re.compile(rb"(\d+), *(-?\d+), *(-?\d+), *(\d+), *(\d+), 0x\w+(?:, F=0x(\w+))?")
_TIME_BASE = re.compile(rb"#tb (\d+): (\d+)/(\d+)")
_DECODED = re.compile(r"Input stream #0:(\d+) \((?:video|audio)\): .*?(\d+) frames decoded")
_WHY = {
    RefusalCode.ENCRYPTED: "the tracks are encrypted",
    RefusalCode.TOO_LONG: "the file is longer than what is taken",
    RefusalCode.TOO_LARGE: "the file is larger than what is taken",
}
_TURNING = re.compile(
    r"^\x1b(?:Filter '(hflip|vflip)' formats:|\[transpose @ \w+\] \x1bSetting 'dir' to value '(\w+)')"
)
_TURNS: dict[str, tuple[Literal[0, 90, 180, 270], bool]] = {
    "clock": (90, False),
    "hflip vflip": (180, False),
    "cclock": (270, False),
    "hflip": (0, True),
    "clock_flip": (90, True),
    "vflip": (180, True),
    "cclock_flip": (270, True),
}
_NO_DECODER = re.compile(r"no decoder found|Decoder not found|Unknown decoder")


@dataclass
class _Packets:
    """Presentation times of one stream's packets in units of `tick` seconds, in the order of the file."""

    tick: float = 0.0
    times: "array[int]" = field(default_factory=lambda: array("q"))
    keys: "array[int]" = field(default_factory=lambda: array("q"))
    end: int = 0
    size: int = 0
    guessed: int = 0
    step: int = 0
    latest: int = _NO_TIME
    stuck: int = 0

    def delay(self, ticks: int) -> None:
        """Move all times: the container had told when packets are decoded, not when they are shown."""
        self.times = array("q", (time + ticks for time in self.times))
        self.keys = array("q", (time + ticks for time in self.keys))
        self.end += ticks


@dataclass(frozen=True)
class _Track:
    """One stream on the presentation timeline: sorted times in seconds, and ffmpeg's clock at time zero."""

    stream: Stream
    times: list[float]
    keys: list[float]
    start: float
    end: float
    origin: float
    tick: float
    hidden: bool
    step: int | None = None


def make_plan(
    source: Path | str,
    *,
    interval: float = 1.0,
    key_frames_only: bool = False,
    deadline: float,
    limits: Limits = LIMITS,
) -> Plan:
    """Look at `source` until `deadline` (time.monotonic()) and cut it into segments.

    No gap between the planned samples of a video track exceeds `interval` seconds where its frames are dense
    enough for that. Raises MediaRefused with a code of the closed set, SourceUnavailable when our own URL fails.
    """
    size = source.stat().st_size if isinstance(source, Path) else 0
    if size > limits.size:
        raise MediaRefused(RefusalCode.TOO_LARGE, _WHY[RefusalCode.TOO_LARGE])
    header = read_header(source, deadline=deadline, limits=limits)
    streams = [*header.of("Video"), *header.of("Audio")]
    if all(stream.attached for stream in streams):
        raise MediaRefused(RefusalCode.NOT_A_VIDEO, "the file has neither pictures that move nor sound")
    # What edit lists hide can be shown by other players: they are read past, and then only shift the clock.
    edited = any(stream.edits for stream in streams)
    packets = _read_packets(source, streams, edited, deadline, limits)
    counted = _runs_backwards(streams, packets)
    tracks = _counted(streams, packets) if counted else _timeline(streams, packets)
    key_frames_only &= not counted
    video = [track for track in tracks if track.stream.kind == "Video"]
    moving = [track for track in video if not track.stream.attached]
    audio = [track for track in tracks if track.stream.kind == "Audio"]
    _refuse(header, moving, audio, limits)
    decoded = _decode_some(source, tracks, edited, deadline, limits)
    if any(not decoded.get(track.stream.index) for track in moving) or not any(decoded.values()):
        raise MediaRefused(RefusalCode.NO_FRAMES, "nothing in the file can be decoded")
    duration = max(track.end for track in tracks)
    seekable = bool(_names(header) & _SEEKABLE)
    heard = [track for track in audio if decoded.get(track.stream.index)]
    return Plan(
        kind="video" if moving else "audio",
        container=header.container,
        content_type=_content_type(header, moving, audio),
        size=size or sum(read.size for read in packets),
        duration=round(duration, 6),
        interval=interval,
        key_frames_only=key_frames_only,
        ignore_edit_lists=edited,
        counted_times=counted,
        video=tuple(_video_track(track, *_turn(source, track.stream, edited, deadline, limits)) for track in video),
        audio=tuple(_audio_track(track, track in heard) for track in audio),
        subtitles=len(header.of("Subtitle")),
        segments=tuple(_segments(seekable and not counted, video, heard, duration, interval, key_frames_only)),
        evasions=tuple(_evasions(header, moving, audio, duration)),
    )


def _read_packets(
    source: Path | str, streams: Sequence[Stream], edited: bool, deadline: float, limits: Limits
) -> list[_Packets]:
    """The packets of all streams in one pass. Stops as soon as the file shows itself too long or too large."""
    packets = [_Packets() for _ in streams]
    over: list[RefusalCode] = []
    count = 0

    def line(data: bytes) -> bool:
        nonlocal count
        found = _FIELDS.match(data)
        if found is None:
            if base := _TIME_BASE.match(data):
                packets[int(base[1])].tick = int(base[2]) / int(base[3])
            return True
        number, dts, pts, length, size = (int(field) for field in found.groups()[:5])
        flags = found[6]
        time = dts if pts == _NO_TIME else pts
        if time == _NO_TIME or (flags and int(flags, 16) & _DISCARD):
            return True
        into = packets[number]
        into.times.append(time)
        into.guessed += pts == _NO_TIME
        # ffmpeg holds back a time that would run backwards, so that it shows as standing still.
        into.stuck += dts <= into.latest
        into.latest = dts
        into.step = into.step or length
        if flags is None:
            into.keys.append(time)
        into.end = max(into.end, time + length) if len(into.times) > 1 else time + length
        into.size += size
        count += 1
        if b"Encryption info" in data:
            over.append(RefusalCode.ENCRYPTED)
        elif (into.end - into.times[0]) * into.tick > limits.duration:
            over.append(RefusalCode.TOO_LONG)
        elif into.size > limits.size or count > limits.packets:
            over.append(RefusalCode.TOO_LARGE)
        return not over

    maps = [part for stream in streams for part in ("-map", f"0:{stream.index}")]
    ended = run(
        source,
        [*_edit_lists(edited), "-copyts"],
        [*maps, "-c", "copy", "-f", "framecrc", "pipe:1"],
        deadline=deadline,
        limits=limits,
        line=line,
    )
    if over:
        raise MediaRefused(over[0], _WHY[over[0]])
    if not any(read.times for read in packets):
        raise MediaRefused(ended.refusal or RefusalCode.NO_FRAMES, "the file holds no frames")
    for stream, read in zip(streams, packets, strict=True):
        if stream.kind == "Video" and read.guessed > len(read.times) / 2:
            first = _first_shown(source, stream, edited, deadline, limits)
            read.delay(0 if first is None else first - min(read.times))
    return packets


def _first_shown(source: Path | str, stream: Stream, edited: bool, deadline: float, limits: Limits) -> int | None:
    """The time, in ticks, that the decoder gives to the first frame of a stream."""
    told: list[int] = []

    def line(data: bytes) -> bool:
        told.append(int(data))
        return False

    run(
        source,
        [*_edit_lists(edited), "-copyts", "-threads", "1", "-noautorotate"],
        [
            *("-map", f"0:{stream.index}", "-fps_mode", "passthrough", "-enc_time_base", "demux", "-frames:v", "1"),
            *("-stats_enc_pre_fmt", "{pts}", "-stats_enc_pre", "pipe:1", "-f", "null", "-"),
        ],
        deadline=deadline,
        limits=limits,
        line=line,
    )
    return told[0] if told else None


def _runs_backwards(streams: Sequence[Stream], packets: Sequence[_Packets]) -> bool:
    """Whether times start anew within the file, as in two files one after the other, of which players show both.

    Sound is often a little untidy; among pictures a single one could be meant to be missed.
    """
    return any(
        read.stuck > (0 if stream.kind == "Video" else max(5, len(read.times) // 100))
        for stream, read in zip(streams, packets, strict=True)
    )


def _counted(streams: Sequence[Stream], packets: Sequence[_Packets]) -> list[_Track]:
    """Streams on a clock that counts their packets."""
    tracks = []
    for stream, read in zip(streams, packets, strict=True):
        if read.times:
            step = read.step or max(1, round(_USUAL_STEP / read.tick))
            times = [number * step * read.tick for number in range(len(read.times))]
            end = times[-1] + step * read.tick
            tracks.append(_Track(stream, times, times[:1], 0.0, end, 0.0, read.tick, False, step))
    return tracks


def _timeline(streams: Sequence[Stream], packets: Sequence[_Packets]) -> list[_Track]:
    """Streams that hold anything, on one clock on which the first thing shown is at zero."""
    raw = [
        _track(stream, read, _shift(stream, read.tick))
        for stream, read in zip(streams, packets, strict=True)
        if read.times
    ]
    pictures = [track.start for track in raw if track.stream.kind == "Video" and not track.stream.attached]
    sounds = [track.start for track in raw if track.stream.kind == "Audio"]
    zero = min(pictures or sounds)
    # Sound that begins a moment early is the decoder's run-up, which no player lets hear.
    if sounds and min(sounds) < zero - _PRIMING:
        zero = min(sounds)
    # A cover is shown from the beginning, whatever its clock.
    return [_begun(track, track.start if track.stream.attached else zero) for track in raw]


def _begun(track: _Track, zero: float) -> _Track:
    return _Track(
        track.stream,
        [time - zero for time in track.times],
        [time - zero for time in track.keys],
        max(track.start - zero, 0.0),
        track.end - zero,
        track.origin + zero,
        track.tick,
        track.hidden,
    )


def _shift(stream: Stream, tick: float) -> float:
    """What a stream's edit list takes off its clock, in seconds."""
    delay = 0
    for edit in stream.edits:
        if edit.time >= 0:
            return (edit.time - delay) * tick
        delay += edit.length
    return 0.0


def _track(stream: Stream, read: _Packets, shift: float) -> _Track:
    ticks = sorted(read.times)
    times = [time * read.tick - shift for time in ticks]
    slack = _EDIT_SLACK if stream.kind == "Video" else _PRIMING
    return _Track(
        stream=stream,
        times=times,
        keys=sorted(time * read.tick - shift for time in read.keys),
        start=times[0],
        end=max(read.end, ticks[-1]) * read.tick - shift,
        origin=shift,
        tick=read.tick,
        hidden=_hides(stream, ticks, read.tick, slack),
    )


def _hides(stream: Stream, ticks: Sequence[int], tick: float, slack: float) -> bool:
    """Whether a frame lies in none of the stretches that the stream's edit list shows."""
    shown = [(edit.time, edit.time + edit.length) for edit in stream.edits if edit.time >= 0]
    if not shown:
        return False
    margin = slack / tick
    seen: set[int] = set()
    for start, end in shown:
        seen.update(range(bisect_left(ticks, start - margin), bisect_left(ticks, end + margin)))
    return len(seen) < len(ticks)


def _refuse(header: Header, video: Sequence[_Track], audio: Sequence[_Track], limits: Limits) -> None:
    if not video and (not audio or not all(stream.attached for stream in header.of("Video"))):
        raise MediaRefused(RefusalCode.NO_FRAMES, "the file announces pictures and holds none")
    if _names(header) & _ANIMATIONS and all(len(track.times) < 2 for track in video):
        raise MediaRefused(RefusalCode.NOT_A_VIDEO, "the file is a still picture")
    if header.brand in _STILLS and all(len(track.times) < 2 for track in video):
        raise MediaRefused(RefusalCode.NOT_A_VIDEO, "the file is a still picture")
    if any(not track.stream.width or not track.stream.height for track in video):
        raise MediaRefused(RefusalCode.PIXELS, "the pictures have no size")
    if any(track.stream.codec == "none" for track in video):
        raise MediaRefused(RefusalCode.UNSUPPORTED_CONTAINER, "the pictures are coded in an unknown way")
    if max(track.end for track in [*video, *audio]) > limits.duration:
        raise MediaRefused(RefusalCode.TOO_LONG, _WHY[RefusalCode.TOO_LONG])


def _decode_some(
    source: Path | str, tracks: Sequence[_Track], edited: bool, deadline: float, limits: Limits
) -> dict[int, int]:
    """Frames decoded of each stream's beginning, by stream index. A stream that nothing can decode has none."""
    ended = _decode(source, tracks, edited, deadline, limits)
    if len(tracks) > 1 and not all(ended.get(track.stream.index) for track in tracks):
        # One stream that cannot be opened stops all of them: ask one by one.
        return {i: n for track in tracks for i, n in _decode(source, [track], edited, deadline, limits).items()}
    return ended


def _decode(
    source: Path | str, tracks: Sequence[_Track], edited: bool, deadline: float, limits: Limits
) -> dict[int, int]:
    outputs: list[str] = []
    for track in tracks:
        letter = "v" if track.stream.kind == "Video" else "a"
        outputs += ["-map", f"0:{track.stream.index}", f"-frames:{letter}", "1", "-f", "null", "-"]
    ended = run(
        source,
        [*_edit_lists(edited), "-copyts", "-threads", "1", "-noautorotate"],
        outputs,
        deadline=deadline,
        limits=limits,
        level="verbose",
    )
    if ended.refusal is RefusalCode.PIXELS:
        raise MediaRefused(RefusalCode.PIXELS, "the pictures are larger than what is taken")
    if len(tracks) == 1 and tracks[0].stream.kind == "Video" and any(_NO_DECODER.search(entry) for entry in ended.log):
        raise MediaRefused(RefusalCode.UNSUPPORTED_CONTAINER, "the pictures are coded in a way that is not taken")
    return {int(found[1]): int(found[2]) for entry in ended.log if (found := _DECODED.search(entry))}


def _turn(
    source: Path | str, stream: Stream, edited: bool, deadline: float, limits: Limits
) -> tuple[Literal[0, 90, 180, 270], bool]:
    """How pictures are turned for showing, clockwise in degrees, and whether they are mirrored left to right before.

    The header names the angle only; ffmpeg's own choice of filters tells the whole. No player shows odd angles.
    """
    if not stream.turned:
        return 0, False
    ended = run(
        source,
        [*_edit_lists(edited), "-threads", "1"],
        ["-map", f"0:{stream.index}", "-frames:v", "1", "-f", "null", "-"],
        deadline=deadline,
        limits=limits,
        level="debug",
        keep=_TURNING.match,
    )
    steps = [found[1] or found[2] for entry in ended.log if (found := _TURNING.match(entry))]
    return _TURNS.get(" ".join(sorted(set(steps))), (0, False))


def _video_track(track: _Track, rotation: Literal[0, 90, 180, 270], mirrored: bool) -> VideoTrack:
    stream = track.stream
    aspect = min(max(stream.aspect, 1 / _LARGEST_ASPECT), _LARGEST_ASPECT)
    # Square pixels by stretching the side that is squeezed would enlarge: the other one gives way.
    width = max(1, round(stream.width * min(aspect, 1.0)))
    height = max(1, round(stream.height / max(aspect, 1.0)))
    turned = rotation in (90, 270)
    return VideoTrack(
        index=stream.index,
        codec=stream.codec,
        width=height if turned else width,
        height=width if turned else height,
        coded_width=stream.width,
        coded_height=stream.height,
        rotation=rotation,
        mirrored=mirrored,
        pq=stream.pq,
        frames=len(track.times),
        start=round(track.start, 6),
        last=round(track.times[-1], 6),
        end=round(track.end, 6),
        origin=track.origin,
        tick=track.tick,
        step=track.step,
        hidden_by_edit_list=track.hidden,
    )


def _audio_track(track: _Track, decodable: bool) -> AudioTrack:
    return AudioTrack(
        index=track.stream.index,
        codec=track.stream.codec,
        start=round(track.start, 6),
        end=round(track.end, 6),
        origin=track.origin,
        decodable=decodable,
        hidden_by_edit_list=track.hidden,
    )


def _segments(
    seekable: bool,
    video: Sequence[_Track],
    audio: Sequence[_Track],
    duration: float,
    interval: float,
    key_frames_only: bool,
) -> Iterator[SegmentSpan]:
    target = segment_length(duration)
    cuts = [0.0, duration]
    moving = [track for track in video if not track.stream.attached]
    if moving and seekable:
        main = max(moving, key=lambda track: track.end - track.start)
        cuts = cut_at_keys(main.keys, duration, target)
    elif not moving:
        count = max(1, round(duration / target))
        cuts = [duration * i / count for i in range(count + 1)]
    for index, (start, end) in enumerate(pairwise(cuts)):
        until = end if index < len(cuts) - 2 else duration + 1
        yield SegmentSpan(
            index=index,
            start=round(start, 6),
            end=round(end, 6),
            seek=_seek(moving, start) if index and seekable else None,
            entries=tuple(_entries(moving, start, end)) if seekable else (),
            tracks=tuple(
                span for track in video if (span := _span(track, start, until, interval, key_frames_only)) is not None
            ),
            sound=tuple(track.stream.index for track in audio if track.start < until and track.end > start),
        )


def segment_length(duration: float) -> float:
    """The seconds that segments of a media of `duration` seconds aim at."""
    return min(max(duration / SEGMENTS, SHORTEST), LONGEST)


def cut_at_keys(keys: Sequence[float], duration: float, target: float) -> list[float]:
    """Cut at the first key frame after each `target` seconds; where key frames are sparse, cut all the same."""
    sparse = max(_SPARSE, 4 * target)
    cuts = [0.0]
    while duration - cuts[-1] >= 1.5 * target:
        after = bisect_left(keys, cuts[-1] + target)
        cut = min(keys[after] if after < len(keys) else duration, cuts[-1] + sparse)
        if duration - cut < target / 2:
            break
        cuts.append(cut)
    return [*cuts, duration]


def _seek(video: Sequence[_Track], start: float) -> float:
    """ffmpeg's clock where all tracks have a key frame to begin with, so that none lacks its first frames."""
    clocks = [start]
    for track in video:
        before = bisect_right(track.keys, start + track.tick / 2)
        clocks.append((track.keys[before - 1] if before else track.start) + track.origin)
    return min(clocks[1:] or clocks)


def _entries(video: Sequence[_Track], start: float, end: float) -> Iterator[tuple[float, float]]:
    """Key frames within a segment, `_ENTRIES` apart at least, each with ffmpeg's clock for decoding to begin there."""
    before = start
    for key in max((track.keys for track in video), key=len, default=[]):
        if key < end and key - before >= _ENTRIES:
            before = key
            yield round(key, 6), _seek(video, key)


def _span(track: _Track, start: float, until: float, interval: float, key_frames_only: bool) -> TrackSpan | None:
    frames = track.keys if key_frames_only else track.times
    half = track.tick / 2
    first, last = bisect_left(frames, start - half), bisect_left(frames, until - half)
    if first == last:
        return None
    inside = frames[first:last]
    samples = list(_sample(inside, interval))
    if last == len(frames) and samples[-1] != inside[-1]:
        samples.append(inside[-1])
    return TrackSpan(
        track=track.stream.index,
        expected=len(inside),
        samples=tuple(round(time, 6) for time in samples),
        key_distance=round(_key_distance(track.keys, inside[0], inside[-1]), 6),
    )


def _key_distance(keys: Sequence[float], start: float, end: float) -> float:
    begun = keys[max(bisect_right(keys, start) - 1, 0) : bisect_right(keys, end)]
    return max(after - before for before, after in pairwise([min([start, *begun[:1]]), *begun, end]))


def _sample(frames: Sequence[float], interval: float) -> Iterator[float]:
    """The first frame, then each time the last one before the gap would grow beyond `interval`.

    A frame that stands still for longer than that is looked at, and so is the one that ends it.
    """
    sampled = before = frames[0]
    yield sampled
    for time in frames[1:]:
        if time - sampled > interval + 1e-6:
            if before > sampled:
                sampled = before
                yield sampled
            if time - sampled > interval + 1e-6:
                sampled = time
                yield sampled
        before = time


def _evasions(header: Header, video: Sequence[_Track], audio: Sequence[_Track], duration: float) -> Iterator[Evasion]:
    if len(video) > 1:
        yield Evasion.SECOND_VIDEO_TRACK
    if len(audio) > 1:
        yield Evasion.SECOND_AUDIO_TRACK
    if any(track.step is not None for track in video):
        yield Evasion.FALSE_TIMES
    if any(track.hidden for track in [*video, *audio]):
        yield Evasion.HIDDEN_BY_EDIT_LIST
    if header.duration is not None and abs(header.duration - duration) > max(1.0, 0.1 * duration):
        yield Evasion.FALSE_DURATION


def _edit_lists(edited: bool) -> list[str]:
    return ["-ignore_editlist", "1"] if edited else []


def _names(header: Header) -> set[str]:
    return set(header.container.split(","))


def _content_type(header: Header, video: Sequence[_Track], audio: Sequence[_Track]) -> str:
    """What a browser is told when the file is played."""
    names, kind = _names(header), "video" if video else "audio"
    codecs = {track.stream.codec for track in [*video, *audio]}
    if "mov" in names:
        return f"{kind}/quicktime" if header.brand == "qt" and video else f"{kind}/mp4"
    if "matroska" in names:
        webm = codecs <= {"vp8", "vp9", "av1", "opus", "vorbis"}
        return f"{kind}/webm" if webm else f"{kind}/x-matroska"
    known = {
        "gif": "image/gif",
        "apng": "image/apng",
        "webp_anim": "image/webp",
        "mpegts": "video/mp2t",
        "mpeg": "video/mpeg",
        "mpegvideo": "video/mpeg",
        "avi": "video/x-msvideo",
        "asf": f"{kind}/x-ms-{'wmv' if video else 'wma'}",
        "flv": "video/x-flv",
        "ogg": f"{kind}/ogg",
        "wav": "audio/wav",
        "mp3": "audio/mpeg",
        "aac": "audio/aac",
        "flac": "audio/flac",
    }
    return next((known[name] for name in names if name in known), "application/octet-stream")
