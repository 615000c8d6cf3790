"""The algebra of verdicts: what could not be looked at is never clean, and order and repetition do not matter."""

from datetime import UTC, datetime

from hypothesis import given, settings
from hypothesis import strategies as st

from moderation.coverage import Evidence
from moderation.models.observation import FrameLook, Observation, Scan
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion, Verdict, Versions
from moderation.verdict import judge, targets_of
from tests.builders import silent_plan

GORE = (Form.IMAGE, "terror", "bloody")
SEXY = (Form.IMAGE, "porn", "sexy")
REPORTERS = targets_of([("gore", [GORE]), ("sexy", [SEXY])])
DETECTORS = {"gore": "1", "sexy": "1"}
SEGMENT_FRAMES = 5


def rule(label: str, sub_label: str) -> st.SearchStrategy[Rule]:
    return st.builds(
        lambda review, more, hits, extra, single: Rule(
            label=label,
            sub_label=sub_label,
            forms=frozenset({Form.IMAGE}),
            review=review,
            block=min(100, review + more),
            hits=hits,
            window=hits + extra,
            single=single,
        ),
        st.integers(20, 80),
        st.integers(0, 40),
        st.integers(1, 4),
        st.integers(0, 3),
        st.none() | st.integers(60, 100),
    )


templates = st.builds(
    lambda gore, sexy: Template(name="test", revision=1, rules=(gore, sexy)),
    rule("terror", "bloody"),
    rule("porn", "sexy"),
)


@st.composite
def looks(draw: st.DrawFn, segment: int) -> tuple[FrameLook, ...]:
    made: list[FrameLook] = []
    for ordinal in range(SEGMENT_FRAMES):
        original = draw(st.none() | st.sampled_from(made)) if made else None
        if original is not None and original.duplicate_of is None:
            made.append(FrameLook(ordinal=ordinal, time=float(segment * 10 + ordinal), duplicate_of=original.ordinal))
            continue
        scores = {
            "gore": ("terror", "bloody", draw(st.floats(0, 1))),
            "sexy": ("porn", "sexy", draw(st.floats(0, 1))),
        }
        made.append(
            FrameLook(
                ordinal=ordinal,
                time=float(segment * 10 + ordinal),
                observations=tuple(
                    Observation(detector=name, form=Form.IMAGE, label=label, sub_label=sub, score=score)
                    for name, (label, sub, score) in scores.items()
                ),
            )
        )
    return tuple(made)


@st.composite
def scan_lists(draw: st.DrawFn) -> list[Scan]:
    return [
        Scan(
            index=index,
            looks=draw(looks(index)),
            detectors=DETECTORS,
            planned=SEGMENT_FRAMES,
            decoded=50,
            expected=50,
        )
        for index in range(draw(st.integers(1, 3)))
    ]


def verdict_on(scans: list[Scan], template: Template, segments: int) -> Verdict:
    evidence = Evidence(
        plan=silent_plan(segments=segments, seconds=10.0),
        scans=scans,
        covers=(),
        covers_planned=0,
        detectors=DETECTORS,
        reporters=REPORTERS,
    )
    versions = Versions(template=template.id, models="m", sampling="s", software="0")
    now = datetime(2026, 1, 1, tzinfo=UTC)
    return judge(evidence, template, media_id="m", job_id="j", versions=versions, now=now)


def fail_detector(scan: Scan, ordinal: int, name: str) -> Scan:
    """The same scan, with one detector unable to judge one frame: its observations are lost."""
    failed = []
    for look in scan.looks:
        if look.ordinal == ordinal:
            look = look.model_copy(
                update={
                    "observations": tuple(o for o in look.observations if o.detector != name),
                    "failed": {**look.failed, name: "broken"},
                }
            )
        failed.append(look)
    return scan.model_copy(update={"looks": tuple(failed)})


def hits_at(scans: list[Scan], template: Template, index: int, ordinal: int, name: str) -> bool:
    by_label = {r.label: r for r in template.rules}
    return any(
        o.detector == name and (r := by_label[o.label]).review is not None and o.score * 100 >= (r.review or 0)
        for o in scans[index].looks[ordinal].observations
    )


@settings(deadline=None)
@given(scan_lists(), templates, st.data())
def test_a_failed_detector_on_any_frame_never_passes_and_never_hides_other_evidence(
    scans: list[Scan], template: Template, data: st.DataObject
) -> None:
    before = verdict_on(scans, template, len(scans))
    index = data.draw(st.integers(0, len(scans) - 1))
    ordinal = data.draw(st.integers(0, SEGMENT_FRAMES - 1))
    name = data.draw(st.sampled_from(sorted(DETECTORS)))
    lost_a_hit = hits_at(scans, template, index, ordinal, name)
    broken = [fail_detector(s, ordinal, name) if s.index == index else s for s in scans]
    after = verdict_on(broken, template, len(scans))
    assert after.suggestion is not Suggestion.PASS
    assert after.suggestion.severity >= min(before.suggestion, Suggestion.REVIEW, key=lambda s: s.severity).severity
    if not lost_a_hit:
        assert after.suggestion.severity >= before.suggestion.severity
        assert not after.coverage.complete


@settings(deadline=None)
@given(scan_lists(), templates, st.data())
def test_a_lost_segment_never_passes(scans: list[Scan], template: Template, data: st.DataObject) -> None:
    lost = data.draw(st.integers(0, len(scans) - 1))
    after = verdict_on([s for s in scans if s.index != lost], template, len(scans))
    assert after.suggestion is not Suggestion.PASS
    assert "segment_failed" in after.reasons


@settings(deadline=None)
@given(scan_lists(), templates, st.integers(2, 50))
def test_undecoded_frames_never_pass_and_never_lower(scans: list[Scan], template: Template, undecoded: int) -> None:
    before = verdict_on(scans, template, len(scans))
    broken = [scans[0].model_copy(update={"decoded": scans[0].expected - undecoded}), *scans[1:]]
    after = verdict_on(broken, template, len(scans))
    assert after.suggestion is not Suggestion.PASS
    assert after.suggestion.severity >= before.suggestion.severity


@settings(deadline=None)
@given(scan_lists(), templates, st.integers(2, 50))
def test_frames_that_a_decoder_made_up_never_pass_and_never_lower(
    scans: list[Scan], template: Template, damaged: int
) -> None:
    before = verdict_on(scans, template, len(scans))
    after = verdict_on([scans[0].model_copy(update={"damaged": damaged}), *scans[1:]], template, len(scans))
    assert after.suggestion is Suggestion.worst(Suggestion.REVIEW, before.suggestion)
    assert "frames_damaged" in after.reasons


@settings(deadline=None)
@given(scan_lists(), templates, st.data())
def test_order_of_scans_and_observations_does_not_matter(
    scans: list[Scan], template: Template, data: st.DataObject
) -> None:
    shuffled = [
        scan.model_copy(
            update={
                "looks": tuple(
                    look.model_copy(update={"observations": tuple(data.draw(st.permutations(look.observations)))})
                    for look in data.draw(st.permutations(scan.looks))
                )
            }
        )
        for scan in data.draw(st.permutations(scans))
    ]
    assert verdict_on(shuffled, template, len(scans)) == verdict_on(scans, template, len(scans))


@settings(deadline=None)
@given(scan_lists(), templates)
def test_merging_the_same_scans_twice_changes_nothing(scans: list[Scan], template: Template) -> None:
    assert verdict_on([*scans, *scans], template, len(scans)) == verdict_on(scans, template, len(scans))


@settings(deadline=None)
@given(scan_lists(), templates, st.data())
def test_a_detector_that_a_scan_never_asked_is_no_pass(
    scans: list[Scan], template: Template, data: st.DataObject
) -> None:
    # as after a deployment between scanning and judging: missing, or there in another version
    index = data.draw(st.integers(0, len(scans) - 1))
    name = data.draw(st.sampled_from(sorted(DETECTORS)))
    others = {other: version for other, version in DETECTORS.items() if other != name}
    told = data.draw(st.sampled_from([others, {**others, name: "0"}]))
    changed = [s.model_copy(update={"detectors": told}) if s.index == index else s for s in scans]
    before, after = verdict_on(scans, template, len(scans)), verdict_on(changed, template, len(scans))
    assert "detector_failed" in after.reasons
    assert after.suggestion is Suggestion.worst(Suggestion.REVIEW, before.suggestion)
