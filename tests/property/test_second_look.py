"""Nobody is better off where the second look fails, and frames that lie close never add up."""

from hypothesis import given
from hypothesis import strategies as st

from moderation.coverage import Evidence
from moderation.models.observation import FrameLook, Observation, Scan
from moderation.models.plan import Plan
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion, Verdict, Versions
from moderation.refine import LEAST_LOOKS, SHARE, second_plan
from moderation.verdict import judge
from tests.builders import NOON, silent_plan

TARGET = (Form.IMAGE, "terror", "bloody")
REPORTERS = {TARGET: frozenset({"gore"})}

rules = st.builds(
    lambda review, more, hits, extra, single: Template(
        name="test",
        revision=1,
        rules=(
            Rule(
                label="terror",
                sub_label="bloody",
                forms=frozenset({Form.IMAGE}),
                review=review,
                block=min(100, review + more),
                hits=hits,
                window=hits + extra,
                single=single,
            ),
        ),
    ),
    st.integers(20, 80),
    st.integers(0, 40),
    st.integers(1, 4),
    st.integers(0, 3),
    st.none() | st.integers(60, 100),
)
scores = st.sampled_from([0.0, 0.1, 0.4, 0.6, 0.75, 0.9, 1.0])


def look(ordinal: int, time: float, score: float, *, cut: bool = False) -> FrameLook:
    seen = Observation(detector="gore", form=Form.IMAGE, label="terror", sub_label="bloody", score=score)
    return FrameLook(ordinal=ordinal, time=time, observations=(seen,), cut=cut)


def scan(index: int, looks: tuple[FrameLook, ...]) -> Scan:
    return Scan(index=index, looks=looks, detectors={"gore": "1"}, planned=len(looks), decoded=50, expected=50)


@st.composite
def first_looks(draw: st.DrawFn) -> Scan:
    values = draw(st.lists(scores, min_size=1, max_size=15))
    return scan(0, tuple(look(n, float(n), value) for n, value in enumerate(values)))


@st.composite
def second_looks(draw: st.DrawFn, plan: Plan) -> list[Scan]:
    return [
        scan(
            window.index,
            tuple(
                look(n, time, draw(scores), cut=draw(st.booleans()))
                for n, time in enumerate(window.tracks[0].samples)
                if time < plan.duration
            ),
        )
        for window in plan.windows
    ]


def planned(first: Scan, template: Template) -> Plan:
    return second_plan(silent_plan(seconds=float(len(first.looks))), [first], template, {TARGET}, REPORTERS)


def verdict_on(first: Scan, plan: Plan, second: list[Scan], template: Template) -> Verdict:
    evidence = Evidence(
        plan=plan,
        scans=[first],
        covers=(),
        covers_planned=0,
        detectors={"gore": "1"},
        reporters=REPORTERS,
        second=second,
        at_a_glance={TARGET},
    )
    versions = Versions(template=template.id, models="m", sampling="s", software="0")
    return judge(evidence, template, media_id="m", job_id="j", versions=versions, now=NOON)


@given(first_looks(), rules, st.data())
def test_a_failed_window_never_lowers_a_suggestion(first: Scan, template: Template, data: st.DataObject) -> None:
    plan = planned(first, template)
    second = data.draw(second_looks(plan))
    before = verdict_on(first, plan, second, template)
    kept = [one for one in second if data.draw(st.booleans())]
    after = verdict_on(first, plan, kept, template)
    assert after.suggestion.severity >= before.suggestion.severity


@given(first_looks(), rules, st.data())
def test_a_detector_that_fails_on_close_frames_never_lowers_a_suggestion(
    first: Scan, template: Template, data: st.DataObject
) -> None:
    plan = planned(first, template)
    second = data.draw(second_looks(plan))
    before = verdict_on(first, plan, second, template)
    broken = [
        one.model_copy(
            update={
                "looks": tuple(
                    seen.model_copy(update={"observations": (), "failed": {"gore": "broken"}})
                    if data.draw(st.booleans())
                    else seen
                    for seen in one.looks
                )
            }
        )
        for one in second
    ]
    assert verdict_on(first, plan, broken, template).suggestion.severity >= before.suggestion.severity


@given(first_looks(), rules, st.data())
def test_close_frames_alone_never_block(first: Scan, template: Template, data: st.DataObject) -> None:
    plan = planned(first, template)
    second = data.draw(second_looks(plan))
    alone = verdict_on(first, plan.model_copy(update={"windows": ()}), [], template)
    both = verdict_on(first, plan, second, template)
    assert both.suggestion is not Suggestion.BLOCK or alone.suggestion is Suggestion.BLOCK


@given(first_looks(), rules)
def test_windows_are_bounded_and_apart(first: Scan, template: Template) -> None:
    plan = planned(first, template)
    assert sum(len(window.tracks[0].samples) for window in plan.windows) <= LEAST_LOOKS + SHARE * len(first.looks)
    for before, after in zip(plan.windows, plan.windows[1:], strict=False):
        assert before.end <= after.start + 0.0625
    assert [window.index for window in plan.windows] == list(range(1, len(plan.windows) + 1))
