"""What was found in texts, as segments of the verdict. Pure."""

from collections import defaultdict
from collections.abc import Sequence

from moderation.models.reading import HitSource, JudgedText, Reading, TextFinding
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Segment, Suggestion
from moderation.policy import Target, confidence, rules_by_target, suggestion
from moderation.timeline import MAX_KEYWORDS, worst_first

_JUDGES = {HitSource.CLASSIFIER: "text_models", HitSource.PROTOTYPE: "text_models"}
"""The detector of a source; all others are of `words`."""
_WORDS = "words"
MAX_HITS = 20


def text_segments(reading: Reading, template: Template) -> list[Segment]:
    """A segment for each text and target that a rule asks about and finds worth a look, the worst first.

    Rules of persistence are for pictures: one text is enough. A title has no place in time (0–0). `text` is the whole
    text as it was read, `keywords` and `hits` the words that hit in it, `source` what found the surest.
    """
    rules = rules_by_target(template)
    found = []
    for judged in reading.texts:
        by_target: defaultdict[Target, list[TextFinding]] = defaultdict(list)
        for finding in judged.findings:
            by_target[judged.text.form, finding.label, finding.sub_label].append(finding)
        for target, findings in by_target.items():
            if target in rules and (segment := _segment(judged, findings, rules[target])):
                found.append(segment)
    return worst_first(found)


def _segment(judged: JudgedText, findings: Sequence[TextFinding], rule: Rule) -> Segment | None:
    text = judged.text
    best = max(findings, key=lambda one: (one.score, one.source, one.library or ""))
    value = confidence(best.score)
    suggested = suggestion(rule, value)
    if suggested is Suggestion.PASS:
        return None
    hits = {(hit.start, hit.end): hit for finding in findings for hit in finding.hits}
    in_order = tuple(hits[place] for place in sorted(hits))
    timeless = text.form in (Form.TITLE, Form.COVER)
    return Segment(
        start=0.0 if timeless else text.start,
        end=0.0 if timeless else text.end,
        form=text.form,
        label=rule.label,
        sub_label=rule.sub_label,
        confidence=value,
        suggestion=suggested,
        detector=_JUDGES.get(best.source, _WORDS),
        frames=1,
        track=text.track,
        cover=text.cover,
        area=text.area,
        text=text.text,
        keywords=tuple(dict.fromkeys(hit.word for hit in in_order))[:MAX_KEYWORDS],
        hits=in_order[:MAX_HITS],
        source=best.source,
        library=best.library,
        picture_time=text.picture_time,
    )
