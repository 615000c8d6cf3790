"""Scores to suggestions: what one rule of a template makes of one score. Pure."""

import math

from moderation.models.template import Form, Rule, Template
from moderation.models.verdict import Suggestion

Target = tuple[Form, str, str]
"""(form, label, sub_label)"""


def confidence(score: float) -> int:
    """A score 0–1 as the vendors' confidence 0–100, rounded down so that 100 means certain.

    The epsilon undoes float noise: a score written as 0.29 is 29, not 28.
    """
    return max(0, min(100, math.floor(score * 100 + 1e-9)))


def suggestion(rule: Rule, value: int) -> Suggestion:
    """What a confidence of `value` that persisted suggests under a rule."""
    if rule.block is not None and value >= rule.block:
        return Suggestion.BLOCK
    if rule.review is not None and value >= rule.review:
        return Suggestion.REVIEW
    return Suggestion.PASS


def rules_by_target(template: Template) -> dict[Target, Rule]:
    """Each (form, label, sub_label) that the template asks about, with the one rule that judges it."""
    return {(form, rule.label, rule.sub_label): rule for rule in template.rules for form in rule.forms}


def thresholds(rule: Rule) -> list[tuple[Suggestion, int]]:
    """The rule's thresholds, the mildest first."""
    pairs = [(Suggestion.REVIEW, rule.review), (Suggestion.BLOCK, rule.block)]
    return [(level, value) for level, value in pairs if value is not None]
