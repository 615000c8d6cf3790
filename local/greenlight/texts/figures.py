"""What a classifier achieves on texts that it did not learn from."""

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from greenlight.texts.fit import Doubles, Flags


class Figures(NamedTuple):
    """On `positives` and `negatives`: at a score of one half accuracy, F1 and false positives; over all scores AUC."""

    positives: int
    negatives: int
    accuracy: float
    f1: float
    false_positives: float
    recall: float
    auc: float


def figures(scores: Doubles, positive: Flags, threshold: float = 0.5) -> Figures:
    """Rates that nothing was there for are not a number."""
    said = scores >= threshold
    hits = int((said & positive).sum())
    positives, negatives = int(positive.sum()), int((~positive).sum())
    f1 = 2 * hits / max(1, int(said.sum()) + positives)
    return Figures(
        positives,
        negatives,
        float((said == positive).mean()),
        f1 if positives else float("nan"),
        float((said & ~positive).sum()) / negatives if negatives else float("nan"),
        hits / positives if positives else float("nan"),
        area(scores, positive) if positives and negatives else float("nan"),
    )


def area(scores: Doubles | Sequence[float], positive: Flags) -> float:
    """Under the ROC curve: how often a positive scores above a negative, ties counted half."""
    values = np.asarray(scores, float)
    _, ranks, counts = np.unique(values, return_inverse=True, return_counts=True)
    middle = np.cumsum(counts) - (counts - 1) / 2
    above = middle[ranks][positive].sum() - positive.sum() * (positive.sum() + 1) / 2
    return float(above / (positive.sum() * (~positive).sum()))
