"""Scores to suggestions."""

import pytest

from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion
from moderation.policy import confidence, rules_by_target, suggestion, thresholds


def rule(review: int | None, block: int | None = None, *, forms: tuple[Form, ...] = (Form.IMAGE,)) -> Rule:
    return Rule(label="porn", sub_label="sexy", forms=frozenset(forms), review=review, block=block)


@pytest.mark.parametrize(
    ("score", "shown"),
    [(0.0, 0), (0.004, 0), (0.29, 29), (0.57, 57), (0.58, 58), (0.599999, 59), (0.6, 60), (0.999, 99), (1.0, 100)],
)
def test_confidence_is_rounded_down_but_for_float_noise(score: float, shown: int) -> None:
    assert confidence(score) == shown


def test_every_hundredth_is_itself() -> None:
    assert [confidence(n / 100) for n in range(101)] == list(range(101))


@pytest.mark.parametrize("score", [-0.5, 1.5])
def test_confidence_stays_in_its_range(score: float) -> None:
    assert confidence(score) in (0, 100)


@pytest.mark.parametrize(
    ("review", "block", "value", "expected"),
    [
        (60, 90, 59, Suggestion.PASS),
        (60, 90, 60, Suggestion.REVIEW),
        (60, 90, 89, Suggestion.REVIEW),
        (60, 90, 90, Suggestion.BLOCK),
        (60, None, 100, Suggestion.REVIEW),
        (None, 90, 89, Suggestion.PASS),
        (None, 90, 90, Suggestion.BLOCK),
        (90, 90, 90, Suggestion.BLOCK),
        (0, None, 0, Suggestion.REVIEW),
    ],
)
def test_thresholds_are_met_when_reached(
    review: int | None, block: int | None, value: int, expected: Suggestion
) -> None:
    assert suggestion(rule(review, block), value) is expected


def test_thresholds_are_listed_the_mildest_first() -> None:
    assert thresholds(rule(60, 90)) == [(Suggestion.REVIEW, 60), (Suggestion.BLOCK, 90)]
    assert thresholds(rule(None, 90)) == [(Suggestion.BLOCK, 90)]
    assert thresholds(rule(60)) == [(Suggestion.REVIEW, 60)]


def test_a_rule_is_found_under_each_of_its_forms() -> None:
    both = rule(60, forms=(Form.IMAGE, Form.COVER))
    template = Template(name="t", revision=1, rules=(both,))
    assert rules_by_target(template) == {
        (Form.IMAGE, "porn", "sexy"): both,
        (Form.COVER, "porn", "sexy"): both,
    }
