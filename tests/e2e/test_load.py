"""Load, small: what `make stress` does with a thousand uploads, with a few."""

from greenlight.stack.stack import Stack
from tests import clips
from tests.stress.accidents import accidents
from tests.stress.campaign import Campaign


def test_of_uploads_that_come_at_once_with_copies_and_accidents_none_is_lost_or_doubled(stack: Stack) -> None:
    # GIVEN steps that fail now and then (with this seed within their first eight calls), and events that come up to
    # four times
    with accidents(stack, seed=5, transient=0.1, killed=0.05, kill_consumers=False, blind=True) as happening:
        # WHEN eight media come at once
        report = Campaign(stack, clips.short(), seed=5).run(8, happening, lambda what, done, of: None, timeout=240)
    # THEN each has one job, one verdict, each event by one id, and its copy to play if it passed
    assert report.problems == []
    assert sum(report.verdicts.values()) == 8
    assert report.duplicates > 0
    assert any("transient" in kind for kind in report.accidents)
