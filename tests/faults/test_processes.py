"""What becomes of jobs on the local stack when the processes of functions are killed, and what lies between is lost."""

from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import httpx
import pytest

from greenlight.api import Api, ApiError, judged
from greenlight.stack.stack import Stack
from moderation.models.media import MediaStatus
from moderation.models.verdict import Suggestion
from moderation.services.media import MediaView
from moderation.services.upload import PostForm, SignUpload
from tests import clips
from tests.local_stack import Bus, faulty, held
from tests.stored import execution, item_kinds, object_keys, wait_until_empty, wait_until_settled

SABOTAGE = (Path(__file__).with_name("sabotage.py")).read_text()


@dataclass(frozen=True)
class Harm:
    """What happens to which function, and what the job of the media then comes to at first."""

    function: str
    what: str
    outcome: str = "verdict"
    error: str | None = None
    reasons: tuple[str, ...] = ()
    run: str = "SUCCEEDED"

    def __str__(self) -> str:
        return f"{self.function} {self.what}"


MISSED = ("segment_failed", "nothing_looked_at")
HARMS = (
    Harm("plan", "runs_out_of_memory", "failed", "internal", run="FAILED"),
    Harm("plan", "loses_its_ffmpeg"),
    Harm("extract", "dies_with_its_frames_written", reasons=MISSED),
    Harm("extract", "loses_its_ffmpeg"),
    Harm("extract", "is_late", reasons=MISSED),
    Harm("extract", "finds_no_plan", "failed", "step_failed", run="FAILED"),
    Harm("scan_frames", "dies_while_it_looks", reasons=MISSED),
    Harm("scan_frames", "finds_no_frames", reasons=MISSED),
    Harm("scan_frames", "has_broken_weights", reasons=("detector_failed",)),
    Harm("scan_frames", "is_throttled"),
    Harm("refine", "dies_while_it_chooses"),
    Harm("scan_text", "dies_while_it_judges", reasons=("detector_failed", "text_not_read")),
    Harm("aggregate", "dies_with_its_verdict_written", "failed", "internal", run="FAILED"),
    Harm("aggregate", "finds_a_garbled_scan", reasons=MISSED),
    Harm("aggregate", "is_cut_off", "failed", "timeout", run="FAILED"),
    Harm("publish", "dies_with_its_copy_made"),
    Harm("publish", "cannot_publish"),
)


@pytest.fixture(scope="module")
def victims(stack: Stack, api: Api, bus: Bus, tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[Harm, str]]:
    """A clean clip for every harm, all uploaded at the same time: their media ids."""
    root = tmp_path_factory.mktemp("sabotage")
    orders = root / "orders"
    orders.mkdir()
    clip = clips.clean()
    with ExitStack() as replaced:
        for function in sorted({harm.function for harm in HARMS}):
            folder = root / function
            folder.mkdir()
            (folder / "orders").symlink_to(orders)
            replaced.enter_context(faulty(stack, function, SABOTAGE, folder))
        found = {}
        for harm in HARMS:
            request = SignUpload(
                file_name=clip.name, content_type="video/mp4", size=clip.stat().st_size, procedure="fast_pre"
            )
            signed = api.sign(request)
            (orders / f"{harm.function}-{signed.media_id}").write_text(harm.what)
            assert isinstance(signed.upload, PostForm)
            api.post(signed.upload.url, signed.upload.fields, clip)
            found[harm] = signed.media_id
        yield found


@pytest.fixture(scope="module")
def first(api: Api, victims: dict[Harm, str]) -> dict[Harm, MediaView]:
    """How the first job of each ended."""
    return {harm: api.wait(media_id, timeout=300, until=judged) for harm, media_id in victims.items()}


@pytest.fixture(scope="module")
def second(api: Api, stack: Stack, victims: dict[Harm, str], first: dict[Harm, MediaView]) -> dict[Harm, MediaView]:
    """How each stands after what came to harm was run again, if it had left a gap."""
    for harm, media_id in victims.items():
        if first[harm].media.status is not MediaStatus.NORMAL:
            with pytest.raises(ApiError, match="not_playable"):
                api.playback(media_id)
            assert object_keys(stack, "Playback", media_id) == []
            api.moderate_again(media_id)
    for media_id in victims.values():
        api.wait(media_id, timeout=300, until=judged)
    return {harm: api.wait(media_id, 60, _at_rest) for harm, media_id in victims.items()}


def _at_rest(view: MediaView) -> bool:
    return view.playable is (view.media.status is MediaStatus.NORMAL)


@pytest.mark.parametrize("harm", HARMS, ids=str)
def test_harm_to_one_process_is_said_and_mended_and_lets_nothing_through(
    harm: Harm, api: Api, stack: Stack, bus: Bus, first: dict[Harm, MediaView], second: dict[Harm, MediaView]
) -> None:
    # GIVEN a clean clip whose job came to harm, once
    view = first[harm]
    assert view.job is not None
    # THEN its job ended, and says what became of it
    assert (view.job.outcome, view.job.error and view.job.error.code) == (harm.outcome, harm.error)
    assert execution(stack, view.job.job_id)["status"] == harm.run
    whole = harm.outcome == "verdict" and not harm.reasons
    if view.job.verdict is not None:
        assert view.job.verdict.reasons == harm.reasons
        assert (view.job.verdict.suggestion is Suggestion.PASS) is whole
    assert view.media.status is (MediaStatus.NORMAL if whole else MediaStatus.REVIEWING)
    # AND the end was told, under one id
    bus.wait_for(view.media.media_id, "Moderation Completed", job_id=view.job.job_id)
    ends = [e["detail"] for e in bus.of(view.media.media_id) if e["detail-type"] == "Moderation Completed"]
    mine = [end for end in ends if end["job_id"] == view.job.job_id]
    assert {(end["event_id"], end["outcome"]) for end in mine} == {(f"completed-{view.job.job_id}", harm.outcome)}
    # AND now it is whole, and plays
    again = second[harm]
    assert again.job is not None
    assert again.job.verdict is not None
    assert (again.job.verdict.suggestion, again.job.verdict.reasons) == (Suggestion.PASS, ())
    assert (again.job.job_id == view.job.job_id) is whole
    assert httpx.get(api.playback(view.media.media_id).url).content == clips.clean().read_bytes()


def test_nothing_is_left_of_it_in_the_queues(stack: Stack, second: dict[Harm, MediaView]) -> None:
    for queue in ("UploadsQueue", "PublishQueue", "PublishDeadLetters", "FailJobDeadLetters"):
        wait_until_empty(stack, queue)


def test_a_delete_in_the_middle_of_a_job_is_no_failure(api: Api, stack: Stack, bus: Bus, tmp_path: Path) -> None:
    # GIVEN a job that is under way
    with held(stack, "aggregate", tmp_path) as go_on:
        media_id = api.upload(clips.clean(), procedure="fast_pre")
        view = api.wait(media_id, 60, lambda view: view.job is not None)
        # WHEN its media is deleted and purged before its last step has begun
        api.delete(media_id)
        wait_until_settled(stack, bus, media_id, "deleted")
        go_on()
        # THEN its run ends, quietly, and nothing is left
        assert view.job is not None
        assert execution(stack, view.job.job_id)["status"] == "SUCCEEDED"
    assert item_kinds(stack, media_id) == ["META", "OUTBOX", "OUTBOX"]
    assert object_keys(stack, "Uploads", f"media/{media_id}/") == []
    assert object_keys(stack, "Results", f"work/{media_id}/") == []
