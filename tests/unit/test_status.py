"""The table of design §6, row by row."""

import pytest

from moderation.models.media import MediaStatus as Status
from moderation.models.verdict import Suggestion
from moderation.status import Outcome, next_status

PASS, REVIEW, BLOCK = Suggestion
CHECKING, REVIEWING, NORMAL, BLOCKED, REFUSED = (
    Status.CHECKING,
    Status.REVIEWING,
    Status.NORMAL,
    Status.BLOCKED,
    Status.REFUSED,
)

ROWS: list[tuple[str, Outcome, bool, Status, Status]] = [
    # mode, outcome, auto_block, before, after
    *((mode, "refused", auto, CHECKING, REFUSED) for mode in ("pre", "post") for auto in (False, True)),
    *(("pre", PASS, auto, CHECKING, NORMAL) for auto in (False, True)),
    *(("pre", REVIEW, auto, CHECKING, REVIEWING) for auto in (False, True)),
    *(("pre", "failed", auto, CHECKING, REVIEWING) for auto in (False, True)),
    ("pre", BLOCK, True, CHECKING, BLOCKED),
    ("pre", BLOCK, False, CHECKING, REVIEWING),
    *(("pre", "accepted", auto, CHECKING, CHECKING) for auto in (False, True)),
    *(("post", "accepted", auto, CHECKING, NORMAL) for auto in (False, True)),
    *(("post", outcome, auto, NORMAL, NORMAL) for outcome in (PASS, REVIEW) for auto in (False, True)),
    ("post", BLOCK, True, NORMAL, BLOCKED),
    ("post", BLOCK, False, NORMAL, NORMAL),
    *(("post", "failed", auto, NORMAL, REVIEWING) for auto in (False, True)),
    *(("post", "failed", auto, CHECKING, REVIEWING) for auto in (False, True)),
    # moderated again
    ("pre", "accepted", False, NORMAL, NORMAL),
    ("pre", "accepted", False, REVIEWING, REVIEWING),
    ("pre", "accepted", False, BLOCKED, BLOCKED),
    ("post", "accepted", False, REVIEWING, REVIEWING),
    ("post", "accepted", False, BLOCKED, BLOCKED),
    ("pre", REVIEW, False, NORMAL, REVIEWING),
    ("pre", BLOCK, True, NORMAL, BLOCKED),
    ("pre", PASS, False, REVIEWING, NORMAL),
    ("pre", "failed", False, NORMAL, REVIEWING),
]


@pytest.mark.parametrize(("mode", "outcome", "auto_block", "before", "after"), ROWS)
def test_row(mode: str, outcome: Outcome, auto_block: bool, before: Status, after: Status) -> None:
    assert next_status(before, outcome, mode=mode, auto_block=auto_block, decided_by_person=False) is after  # type: ignore[arg-type]


@pytest.mark.parametrize("mode", ["pre", "post"])
@pytest.mark.parametrize("outcome", ["accepted", "refused", "failed", PASS, REVIEW, BLOCK])
@pytest.mark.parametrize("keep", [False, True])
@pytest.mark.parametrize("auto_block", [False, True])
class TestWhatStands:
    def test_a_persons_decision_stands(self, mode: str, outcome: Outcome, keep: bool, auto_block: bool) -> None:
        for decided in Status:
            assert decided is next_status(
                decided,
                outcome,
                mode=mode,  # type: ignore[arg-type]
                auto_block=auto_block,
                decided_by_person=True,
                keep_post_on_failure=keep,
            )

    def test_refused_and_deleted_are_for_good(self, mode: str, outcome: Outcome, keep: bool, auto_block: bool) -> None:
        for settled in (Status.REFUSED, Status.DELETED):
            assert settled is next_status(
                settled,
                outcome,
                mode=mode,  # type: ignore[arg-type]
                auto_block=auto_block,
                decided_by_person=False,
                keep_post_on_failure=keep,
            )


@pytest.mark.parametrize(
    ("mode", "before", "after"),
    [
        ("post", NORMAL, NORMAL),  # the setting keeps it up
        ("post", CHECKING, REVIEWING),  # but what never was up cannot stay up, and must not wait for ever
        ("pre", CHECKING, REVIEWING),  # and it is about post only
        ("pre", NORMAL, REVIEWING),
    ],
)
def test_the_setting_that_keeps_failed_media_up(mode: str, before: Status, after: Status) -> None:
    assert after is next_status(
        before,
        "failed",
        mode=mode,  # type: ignore[arg-type]
        auto_block=False,
        decided_by_person=False,
        keep_post_on_failure=True,
    )
