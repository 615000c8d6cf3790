"""What was found in texts becomes segments by the template's rules."""

import pytest

from moderation.models.observation import Box
from moderation.models.reading import Hit, HitSource, JudgedText, Reading, Text, TextFinding
from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion
from moderation.reading import text_segments

AREA = Box(left=0.1, top=0.8, width=0.5, height=0.1)


def template(*rules: Rule) -> Template:
    return Template(name="asks", revision=1, rules=rules)


def rule(*forms: Form, sub_label: str = "text", review: int = 60, block: int | None = 90, hits: int = 1) -> Rule:
    return Rule(
        label="abuse", sub_label=sub_label, forms=frozenset(forms), review=review, block=block, hits=hits, window=hits
    )


def finding(
    score: float, *words: str, sub_label: str = "text", source: HitSource = HitSource.LIST, library: str | None = None
) -> TextFinding:
    hits = tuple(Hit(word=word, start=0, end=len(word)) for word in words)
    return TextFinding(label="abuse", sub_label=sub_label, score=score, source=source, hits=hits, library=library)


def reading(text: Text, *findings: TextFinding) -> Reading:
    return Reading(texts=(JudgedText(text=text, findings=findings),), detectors={})


@pytest.mark.parametrize(
    ("score", "suggestion"),
    [(0.59, None), (0.6, Suggestion.REVIEW), (0.89, Suggestion.REVIEW), (0.9, Suggestion.BLOCK)],
)
def test_rules_decide(score: float, suggestion: Suggestion | None) -> None:
    found = text_segments(
        reading(Text(form=Form.TITLE, text="rude"), finding(score, "rude")), template(rule(Form.TITLE))
    )
    assert [segment.suggestion for segment in found] == ([suggestion] if suggestion else [])


def test_a_caption_keeps_its_place_its_words_and_its_picture() -> None:
    text = Text(
        form=Form.OCR,
        text="so rude",
        start=3.0,
        end=23.0,
        track=1,
        area=AREA,
        picture_time=5.0,
        language="en",
        score=0.9,
    )
    read = reading(text, finding(0.8, "rude"), finding(0.7, source=HitSource.CLASSIFIER))
    (segment,) = text_segments(read, template(rule(Form.OCR)))
    assert (segment.start, segment.end, segment.track, segment.picture_time) == (3.0, 23.0, 1, 5.0)
    assert (segment.area, segment.text, segment.keywords) == (AREA, "so rude", ("rude",))
    assert (segment.detector, segment.source, segment.confidence) == ("words", HitSource.LIST, 80)
    assert segment.hits == (Hit(word="rude", start=0, end=4),)


def test_the_surest_finding_names_the_detector() -> None:
    read = reading(Text(form=Form.TITLE, text="rude"), finding(0.7, "rude"), finding(0.95, source=HitSource.PROTOTYPE))
    (segment,) = text_segments(read, template(rule(Form.TITLE)))
    assert (segment.detector, segment.confidence, segment.keywords) == ("text_models", 95, ("rude",))


def test_a_cover_has_its_number_and_no_time() -> None:
    text = Text(form=Form.COVER, text="rude", cover=2, area=AREA)
    (segment,) = text_segments(reading(text, finding(1.0, "rude")), template(rule(Form.COVER)))
    assert (segment.cover, segment.start, segment.end, segment.area) == (2, 0.0, 0.0, AREA)


def test_nothing_that_is_not_asked_about_is_told() -> None:
    text = Text(form=Form.ASR, text="rude", start=1.0, end=2.0)
    read = reading(text, finding(1.0, "rude", sub_label="speech"))
    assert text_segments(read, template(rule(Form.ASR))) == []
    assert len(text_segments(read, template(rule(Form.ASR, sub_label="speech", hits=3)))) == 1
