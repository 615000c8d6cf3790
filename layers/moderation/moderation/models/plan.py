"""What the plan step decides before anything is decoded for good, and what the extract step leaves behind.

All times are seconds on the media's own presentation timeline: 0.0 is the first thing shown or heard. The `origin`
of a track is what ffmpeg's clock shows for it at time 0.0.
"""

from enum import StrEnum
from typing import Literal

from pydantic import Field

from moderation.models.base import Model


class RefusalCode(StrEnum):
    """The closed set of reasons why a file is not moderated at all."""

    NOT_A_VIDEO = "not_a_video"
    UNSUPPORTED_CONTAINER = "unsupported_container"
    ENCRYPTED = "encrypted"
    NO_FRAMES = "no_frames"
    TOO_LONG = "too_long"
    TOO_LARGE = "too_large"
    PIXELS = "pixels"
    STREAMS = "streams"
    MALFORMED = "malformed"
    TIMEOUT = "timeout"


class Evasion(StrEnum):
    """Properties of a media by which its viewers and a careless scanner may see different things.

    What they would hide is looked at all the same: only a gap in coverage changes a verdict.
    """

    SECOND_VIDEO_TRACK = "second_video_track"
    SECOND_AUDIO_TRACK = "second_audio_track"
    HIDDEN_BY_EDIT_LIST = "hidden_by_edit_list"
    FALSE_DURATION = "false_duration"
    FALSE_TIMES = "false_times"
    LOOKALIKE_TITLE = "lookalike_title"


class FrameSize(Model):
    """A static picture size that detectors ask for: `pixels` bounds the short or the long side; never enlarged."""

    name: str
    side: Literal["short", "long"]
    pixels: int


class VideoTrack(Model):
    """A track of pictures. `width` and `height` are as shown, `coded_*` as stored; `frames` counts packets."""

    index: int = Field(description="stream index in the container")
    codec: str
    width: int
    height: int
    coded_width: int
    coded_height: int
    rotation: Literal[0, 90, 180, 270] = Field(default=0, description="degrees to turn clockwise for showing")
    mirrored: bool = Field(default=False, description="left and right change places before the turn")
    pq: bool = Field(default=False, description="of a high dynamic range, coded by the curve of SMPTE ST 2084")
    frames: int
    start: float = Field(description="presentation time of the first frame")
    last: float = Field(description="presentation time of the last frame")
    end: float = Field(description="when the last frame stops being shown")
    origin: float
    tick: float = Field(description="unit of the track's clock in seconds")
    step: int | None = Field(default=None, description="ticks from frame to frame where the file's own times are false")
    hidden_by_edit_list: bool = False


class AudioTrack(Model):
    """A track of sound. One that cannot be decoded is planned, so that it is missed, but never extracted."""

    index: int = Field(description="stream index in the container")
    codec: str
    start: float
    end: float
    origin: float
    decodable: bool = True
    hidden_by_edit_list: bool = False


class TrackSpan(Model):
    """What one video track holds of one segment: frames to expect and times that have to be looked at."""

    track: int = Field(description="stream index in the container")
    expected: int
    samples: tuple[float, ...]
    key_distance: float = Field(description="longest stretch in seconds that is decoded from one key frame")


class SegmentSpan(Model):
    """A half-open stretch [start, end): each frame is in exactly one segment.

    `seek` is what ffmpeg's clock shows at the key frame where decoding begins, None for the start of the file.
    """

    index: int
    start: float
    end: float
    seek: float | None = None
    entries: tuple[tuple[float, float], ...] = Field(
        default=(), description="further times where decoding may begin, each with what to seek to, some seconds apart"
    )
    tracks: tuple[TrackSpan, ...] = ()
    sound: tuple[int, ...] = Field(default=(), description="stream indices of decodable sound")
    detectors: tuple[str, ...] = Field(default=(), description="those that look, where not all of the template's do")

    @property
    def packets(self) -> int:
        """Frames of all video tracks that the container says there are."""
        return sum(track.expected for track in self.tracks)


class Plan(Model):
    """How one media is cut and sampled."""

    kind: Literal["video", "audio"]
    container: str = Field(description="ffmpeg's name of the demuxer")
    content_type: str
    size: int = Field(description="bytes of the file, or of its packets where only those are known")
    duration: float
    interval: float = Field(description="largest gap between looked-at frames in seconds")
    key_frames_only: bool
    ignore_edit_lists: bool = Field(description="decode what edit lists hide as well")
    counted_times: bool = Field(
        default=False, description="time runs by counting frames, since the file's own times run backwards"
    )
    video: tuple[VideoTrack, ...]
    audio: tuple[AudioTrack, ...]
    subtitles: int = Field(
        default=0, ge=0, description="tracks of subtitles, which players offer and nobody reads here"
    )
    segments: tuple[SegmentSpan, ...]
    windows: tuple[SegmentSpan, ...] = Field(
        default=(), description="what is looked at a second time; indices go on after those of the segments"
    )
    windows_left_out: int = Field(default=0, ge=0, description="stretches worth it for which the limit left no window")
    evasions: tuple[Evasion, ...]

    def span(self, index: int) -> SegmentSpan:
        """The segment or the window of that index."""
        return (*self.segments, *self.windows)[index]


class FrameReason(StrEnum):
    """Why a frame is looked at."""

    FIRST = "first"
    INTERVAL = "interval"
    SCENE = "scene"
    LAST = "last"


CLIP = "clip"
"""Beside the sizes of a frame: what follows it in the small, JPEG pictures one after another in one member."""


class FrameEntry(Model):
    """One looked-at frame. A near-duplicate names the ordinal of the earlier frame that stands for it."""

    ordinal: int
    track: int
    time: float
    reason: FrameReason
    duplicate_of: int | None = None
    pictures: dict[str, str] = Field(default_factory=dict, description="size name → member of the archive")


class SegmentFrames(Model):
    """The index of one segment's frames. `planned` frames had to be looked at; fewer entries are a gap."""

    index: int
    start: float
    end: float
    planned: int
    expected: int = Field(description="frames that the container says there are")
    decoded: int = Field(description="frames that came out of the decoder")
    errors: int = Field(description="frames that the decoder lost or had to patch up")
    reduced: bool = Field(description="only key frames were decoded, on purpose")
    capped: bool = Field(description="scene changes came faster than they are looked at")
    detectors: tuple[str, ...] = Field(default=(), description="those that look, where not all of the template's do")
    frames: tuple[FrameEntry, ...]
