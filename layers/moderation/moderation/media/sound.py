"""Sound of a segment: 16 kHz mono 16-bit PCM, in step with the pictures."""

from dataclasses import dataclass
from pathlib import Path

from moderation.models.plan import AudioTrack, SegmentSpan

RATE = 16_000
_SAMPLE_BYTES = 2
_HEADER_BYTES = 4096


@dataclass(frozen=True)
class Sound:
    """A WAV file of one audio track (`track` is its stream index). Its first sample is heard at `start` seconds.

    Stretches that the track leaves out are silence, so sample n is heard at start + n / RATE.
    """

    track: int
    path: Path
    start: float


def sound_chain(track: AudioTrack, span: SegmentSpan, until: float | None, label: str) -> str:
    """The filter chain of one track, cut to the segment on ffmpeg's clock. `until` None reads to the end."""
    start = span.start + track.origin
    end = "" if until is None else f":end={until + track.origin:.6f}"
    return (
        f"[0:{track.index}]atrim=start={start:.6f}{end},asetpts=PTS-({start:.6f})/TB,"
        f"aresample={RATE}:async=1:first_pts=0,"
        f"aformat=sample_fmts=s16:channel_layouts=mono[{label}]"
    )


def sound_output(track: AudioTrack, span: SegmentSpan, label: str, folder: Path) -> tuple[list[str], Sound]:
    """The output arguments of one track, bounded by what the segment can hold, and where the sound will be."""
    path = folder / f"sound-{track.index}.wav"
    most = int((span.end - span.start + 2) * RATE) * _SAMPLE_BYTES + _HEADER_BYTES
    arguments = ["-map", f"[{label}]", "-c:a", "pcm_s16le", "-fs", str(most), "-f", "wav", f"file:{path}"]
    return arguments, Sound(track.index, path, span.start)
