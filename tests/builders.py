"""Small valid documents, for tests that care about something else."""

from collections.abc import Mapping
from datetime import UTC, datetime
from types import MappingProxyType

from moderation.models.job import Job
from moderation.models.media import Media, MediaStatus, ObjectIdentity, Procedure
from moderation.models.plan import AudioTrack, Plan, SegmentSpan, TrackSpan, VideoTrack
from moderation.models.sound import Hearing, TrackHearing
from moderation.models.verdict import Coverage, Suggestion, Verdict, Versions

NOON = datetime(2026, 11, 22, 12, tzinfo=UTC)
MEDIA_ID = "0f1e2d3c4b5a69788796a5b4c3d2e1f0"


def sounding(plan: Plan, *tracks: int, decodable: bool = True, early: float = 0.0) -> Plan:
    """The same plan with tracks of sound all along it, of these stream indices; they end `early` by so many seconds."""
    audio = tuple(
        AudioTrack(index=index, codec="aac", start=0.0, end=plan.duration - early, origin=0.0, decodable=decodable)
        for index in tracks
    )
    heard = tracks if decodable else ()
    spans = tuple(span.model_copy(update={"sound": (*span.sound, *heard)}) for span in plan.segments)
    return plan.model_copy(update={"audio": (*plan.audio, *audio), "segments": spans})


def audio_plan(*, segments: int = 1, seconds: float = 10.0) -> Plan:
    """A plan over one track of sound without pictures."""
    plan = silent_plan(segments=segments, seconds=seconds)
    spans = tuple(span.model_copy(update={"tracks": (), "seek": None}) for span in plan.segments)
    bare = plan.model_copy(
        update={"kind": "audio", "content_type": "audio/mpeg", "container": "mp3", "video": (), "segments": spans}
    )
    return sounding(bare, 0)


def hearing(index: int = 0, *tracks: TrackHearing, detectors: Mapping[str, str] = MappingProxyType({})) -> Hearing:
    """What was heard in one segment; on track 1 ten seconds and nothing, unless told otherwise."""
    return Hearing(
        index=index,
        tracks=tracks or (TrackHearing(track=1, planned=10.0, heard=10.0, speech=0.0),),
        detectors=dict(detectors),
    )


def silent_plan(*, segments: int = 1, seconds: float = 10.0, packets: int = 50) -> Plan:
    """A plan over one video track without sound."""
    duration = segments * seconds
    spans = tuple(
        SegmentSpan(
            index=i,
            start=i * seconds,
            end=(i + 1) * seconds,
            seek=i * seconds,
            tracks=(TrackSpan(track=0, expected=packets, samples=(), key_distance=0),),
        )
        for i in range(segments)
    )
    track = VideoTrack(
        index=0,
        codec="h264",
        width=64,
        height=36,
        coded_width=64,
        coded_height=36,
        frames=segments * packets,
        start=0.0,
        last=duration - 0.04,
        end=duration,
        tick=0.04,
        origin=0.0,
    )
    return Plan(
        kind="video",
        container="mov",
        content_type="video/mp4",
        size=1000,
        duration=duration,
        interval=1.0,
        key_frames_only=False,
        ignore_edit_lists=False,
        video=(track,),
        audio=(),
        segments=spans,
        evasions=(),
    )


def identity(version_id: str = "v1", *, media_id: str = MEDIA_ID, size: int = 1000) -> ObjectIdentity:
    """The identity of a media's source."""
    return ObjectIdentity(bucket="uploads", key=f"media/{media_id}/source", version_id=version_id, size=size)


def waiting_media(media_id: str = MEDIA_ID, *, procedure_name: str = "standard_pre") -> Media:
    """A media whose file has not come yet."""
    template, _, mode = procedure_name.rpartition("_")
    return Media(
        media_id=media_id,
        status=MediaStatus.UPLOADING,
        file_name="clip.mp4",
        content_type="video/mp4",
        size=1000,
        procedure=Procedure(name=procedure_name, template=template, mode="post" if mode == "post" else "pre"),
        created_at=NOON,
        updated_at=NOON,
    )


def probed_media() -> Media:
    """A media whose plan has accepted the file; give it to a store to have people decide on it."""
    return waiting_media().model_copy(update={"playback_content_type": "video/mp4"})


def empty_verdict(job: Job) -> Verdict:
    """A clean verdict on a job, with full coverage of nothing much."""
    seen = Coverage(
        segments_planned=1,
        segments_scanned=1,
        frames_planned=1,
        frames_decoded=1,
        frames_expected=1,
        frames_scored=1,
        duplicates=0,
        covers_planned=0,
        covers_scanned=0,
        sound_seconds=0.0,
        sound_heard_seconds=0.0,
        detectors={},
        reduced=False,
        complete=True,
    )
    return Verdict(
        media_id=job.media_id,
        job_id=job.job_id,
        suggestion=Suggestion.PASS,
        coverage=seen,
        versions=Versions(template=job.template.id, models="m", sampling="1 s", software="0"),
        created_at=NOON,
    )
