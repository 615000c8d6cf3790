"""Sound of a segment: 16 kHz mono 16-bit PCM, in step with the pictures."""

from dataclasses import dataclass
from pathlib import Path

from moderation.models.plan import AudioTrack, SegmentSpan

RATE = 16_000
LAP = 2.0
"""Seconds that the sound of a segment goes on behind its end, so that a word spoken there is heard whole."""
_SAMPLE_BYTES = 2
_SLACK_SECONDS = 2


@dataclass(frozen=True)
class Sound:
    """A WAV file of one audio track (`track` is its stream index). Its first sample is heard at `start` seconds.

    Stretches that the track leaves out are silence, so sample n is heard at start + n / RATE. The last `LAP` seconds
    are the beginning of the next segment, where there is one.
    """

    track: int
    path: Path
    start: float


def sound_chain(track: AudioTrack, span: SegmentSpan, until: float | None, *, counted: bool) -> str:
    """The filter chain of one track, cut to the segment; its result is named s and the index of the stream.

    `until` is where the segment ends, None to read to the end of the file. With `counted` time runs by samples.
    """
    start = span.start + track.origin
    end = "" if until is None else f":end={until + LAP + track.origin:.6f}"
    clock = "asetpts=N/SR/TB," if counted else ""
    return (
        f"[0:{track.index}]{clock}atrim=start={start:.6f}{end},asetpts=PTS-({start:.6f})/TB,"
        f"aresample={RATE}:async=1:first_pts=0,aformat=sample_fmts=s16:channel_layouts=mono[s{track.index}]"
    )


def sound_output(sound: Sound, span: SegmentSpan) -> list[str]:
    """The output arguments of one track, bounded by what the segment can hold."""
    most = int((span.end - span.start + LAP + _SLACK_SECONDS) * RATE) * _SAMPLE_BYTES
    return ["-map", f"[s{sound.track}]", "-c:a", "pcm_s16le", "-fs", str(most), "-f", "wav", f"file:{sound.path}"]
