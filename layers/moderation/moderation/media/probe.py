"""What a file says it is, read once and believed nowhere: streams, shapes, encryption, edit lists."""

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from moderation.media.ffmpeg import LIMITS, LOG_LINES, Limits, MediaRefused, Run, run
from moderation.models.plan import RefusalCode

CPU_SECONDS = 2.0
MEMORY = 2**30
"""What reading a header may use: a header of 6 hours in 60 frames a second takes a fraction of it."""
# Values of metadata are indented deeper, but names of tags and languages come as the file has them, line breaks and
# all. Of a stream only what stands behind ffmpeg's own marks is believed.
_INPUT = re.compile(r"^\x1b?Input #0, (?P<format>[\w,]+), from ")
_DURATION = re.compile(r"^  Duration: (?:(\d+):(\d\d):(\d\d)\.(\d\d)|N/A)")
_STREAM = re.compile(r"^\x1b? +Stream #0:(?P<index>\d+)")
_DESCRIBED = re.compile(r"^\x1b?[^\x1b]*\x1b, \d+, \d+/\d+\x1b: (?P<kind>\w+): (?P<rest>.*)$")
_MATRIX = re.compile(r"^      Display Matrix: ")
_ENCRYPTION = re.compile(r"^      Encryption ")
_CODEC = re.compile(r"^(?P<name>\w+)(?: \([^)]*\))*(?: \((?P<tag>\w{4}) / 0x\w+\))?")
_SHAPE = re.compile(r"(?:^|, )(?P<width>\d+)x(?P<height>\d+)(?: \[?|, |$)")
_PQ = re.compile(r"[/(]smpte2084[,)]")
_SAR = re.compile(r"SAR (?P<num>\d+):(?P<den>\d+)")
_EDIT = re.compile(
    r"^\x1b\[.*Processing st: (?P<index>\d+), edit list \d+ - media time: (?P<time>-?\d+), duration: (?P<length>\d+)"
)
_PROBED = re.compile(r"^\x1b\[.*Format (?P<format>[\w,]+) probed")
_BRAND = re.compile(r"^    major_brand     : (?P<brand>.{4})")
_NOT_LISTED = re.compile(r"^\x1b\[.*Format not on whitelist")
_PARSED = (_INPUT, _DURATION, _STREAM, _MATRIX, _ENCRYPTION, _EDIT, _BRAND, _PROBED, _NOT_LISTED)
_PROTECTED_TAGS = {"encv", "enca", "drmi", "drms"}
_STILL_OR_TEXT = re.compile(
    r"_pipe$|^image2|^ico$|^hls$|^dash$|^concat|^sdp$|^rtp|^rtsp|^webvtt|^srt$|^ass$|^sub|^mpl2|^tty$|^txt$|^imf$"
    r"|^alias_pix|^lrc$|^ffmetadata|^scc$|^sami$|^realtext|^vplayer|^jacosub|^microdvd|^pjs|^stl$|^tedcaptions"
)
_PICTURES = (b"\xff\xd8\xff", b"\x89PNG", b"BM", b"II*\0", b"MM\0*")
_TEXT = frozenset(range(32, 127)) | {9, 10, 13}


@dataclass(frozen=True)
class Edit:
    """One entry of an edit list in units of the track's clock; a negative time is an empty stretch."""

    time: int
    length: int


@dataclass
class Stream:
    """One stream as the header describes it. Pictures `turned` are not shown as stored, one `attached` is a cover.

    `pq` is the curve of SMPTE ST 2084, for a high dynamic range.
    """

    index: int
    kind: str
    codec: str
    width: int = 0
    height: int = 0
    aspect: float = 1.0
    pq: bool = False
    turned: bool = False
    attached: bool = False
    encrypted: bool = False
    edits: list[Edit] = field(default_factory=list)


@dataclass(frozen=True)
class Header:
    """The header of a file whose container is one of ours. `duration` is what it claims, None without a claim."""

    container: str
    brand: str
    duration: float | None
    streams: tuple[Stream, ...]

    def of(self, kind: str) -> list[Stream]:
        """Streams of one kind ("Video", "Audio") in the container's order."""
        return [stream for stream in self.streams if stream.kind == kind]


def read_header(source: Path | str, *, deadline: float, limits: Limits = LIMITS) -> Header:
    """Read the header. Raises MediaRefused when it is none of a container of media, or one that we do not take."""
    bounds = replace(limits, cpu=CPU_SECONDS, memory=MEMORY)
    probed = run(source, [], [], deadline=deadline, limits=bounds, level="debug", keep=_is_told, brief=True)
    if len(probed.log) >= LOG_LINES:
        raise MediaRefused(RefusalCode.MALFORMED, "the file says more about itself than any video has to")
    header = _parse(probed.log)
    if header is None:
        raise _unreadable(source, probed, deadline, limits)
    if any(stream.encrypted for stream in header.streams):
        raise MediaRefused(RefusalCode.ENCRYPTED, "the tracks are encrypted")
    if len(header.of("Video")) > limits.video_tracks or len(header.of("Audio")) > limits.audio_tracks:
        raise MediaRefused(RefusalCode.STREAMS, "the file has too many tracks")
    if probed.refusal is RefusalCode.PIXELS or any(s.width * s.height > limits.pixels for s in header.of("Video")):
        raise MediaRefused(RefusalCode.PIXELS, "the pictures are too large or have no size")
    return header


def _is_told(entry: str) -> bool:
    return any(pattern.match(entry) for pattern in _PARSED)


def _parse(log: Sequence[str]) -> Header | None:
    container, brand, duration = "", "", None
    streams: list[Stream] = []
    edits: dict[int, list[Edit]] = {}
    for entry in log:
        if found := _EDIT.search(entry):
            edits.setdefault(int(found["index"]), []).append(Edit(int(found["time"]), int(found["length"])))
        elif found := _INPUT.match(entry):
            container = found["format"]
        elif not container:
            continue
        elif (found := _BRAND.match(entry)) and not streams:
            brand = found["brand"].strip()
        elif found := _DURATION.match(entry):
            duration = _seconds(found)
        elif found := _STREAM.match(entry):
            stream = _stream(int(found["index"]), entry)
            if all(stream.index != other.index for other in streams):  # else it belongs to one more programme
                streams.append(stream)
        elif streams and _MATRIX.match(entry):
            streams[-1].turned = True
        elif streams and _ENCRYPTION.match(entry):
            streams[-1].encrypted = True
    for stream in streams:
        stream.edits = edits.get(stream.index, [])
    return Header(container, brand, duration, tuple(streams)) if container else None


def _seconds(found: re.Match[str]) -> float | None:
    if found[1] is None:
        return None
    hours, minutes, seconds, hundredths = (int(part) for part in found.groups())
    return hours * 3600 + minutes * 60 + seconds + hundredths / 100


def _stream(index: int, entry: str) -> Stream:
    found = _DESCRIBED.match(entry)
    if found is None:
        raise MediaRefused(RefusalCode.MALFORMED, "the file forges the description of its streams")
    rest = found["rest"]
    codec = _CODEC.match(rest)
    stream = Stream(index, found["kind"], codec["name"] if codec else "none")
    stream.encrypted = bool(codec) and codec is not None and codec["tag"] in _PROTECTED_TAGS
    stream.attached = "(attached pic)" in rest and "(timed thumbnails)" not in rest
    if shape := _SHAPE.search(rest):
        stream.width, stream.height = int(shape["width"]), int(shape["height"])
    stream.pq = bool(_PQ.search(rest))
    if (sar := _SAR.search(rest)) and int(sar["num"]) and int(sar["den"]):
        stream.aspect = int(sar["num"]) / int(sar["den"])
    return stream


def _unreadable(source: Path | str, probed: Run, deadline: float, limits: Limits) -> MediaRefused:
    """Why there is no header: a known bound, a kind of file that is no video, or nothing sensible at all."""
    known = probed.refusal
    if known in (RefusalCode.PIXELS, RefusalCode.STREAMS):
        return MediaRefused(known, "the file exceeds what is taken of pixels or streams")
    formats = [found["format"] for entry in probed.log if (found := _PROBED.search(entry))]
    if any(_NOT_LISTED.search(entry) for entry in probed.log) and formats:
        if any(_STILL_OR_TEXT.search(name) for name in formats[-1].split(",")):
            return MediaRefused(RefusalCode.NOT_A_VIDEO, "the file is a still picture, a text or a playlist")
        return MediaRefused(RefusalCode.UNSUPPORTED_CONTAINER, "this kind of container is not taken")
    head = _head(source, deadline, limits)
    if _is_text(head) or head.startswith(_PICTURES):
        return MediaRefused(RefusalCode.NOT_A_VIDEO, "the file is a still picture or a text")
    return MediaRefused(RefusalCode.MALFORMED, "the file cannot be read as a video")


def _head(source: Path | str, deadline: float, limits: Limits) -> bytes:
    """The first bytes, by the same hardened way as everything else. Empty when they cannot be had."""
    taken = bytearray()

    def take(data: bytes) -> bool:
        taken.extend(data)
        return len(taken) < 1024

    raw = ["-f", "data", "-format_whitelist", "data"]
    copied = ["-map", "0", "-c", "copy", "-frames:d", "1", "-f", "data", "pipe:1"]
    run(source, raw, copied, deadline=deadline, limits=limits, line=take)
    return bytes(taken)


def _is_text(head: bytes) -> bool:
    return bool(head) and all(byte in _TEXT or byte >= 128 for byte in head)
