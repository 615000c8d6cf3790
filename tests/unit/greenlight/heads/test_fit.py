"""Fits, calibration and folds, on embeddings that were made up."""

import numpy as np
import pytest

from greenlight.heads.figures import at_threshold, average_precision, threshold_for
from greenlight.heads.fit import BASE_RATE, Basis, balanced, deal, fit, platt, sigmoid

CHANCE = np.random.default_rng(3)
POSITIVE = np.arange(400) < 40
EMBEDDINGS = (CHANCE.normal(size=(400, 30)) + np.outer(POSITIVE, np.r_[1.5, np.zeros(29)])).astype(np.float32)
GROUPS = np.arange(400) // 2


def test_a_line_finds_what_differs_and_is_the_same_over_embeddings() -> None:
    # GIVEN embeddings whose first feature alone tells the label
    basis = Basis.of(EMBEDDINGS, 30)

    # WHEN a line is fitted along their directions
    features = basis(EMBEDDINGS)
    line = fit(features, POSITIVE, balanced(POSITIVE, GROUPS))

    # THEN over the embeddings it scores alike, and leans on that feature
    unfolded = basis.unfold(line)
    np.testing.assert_allclose(unfolded(EMBEDDINGS), line(features), atol=1e-4)
    assert np.abs(unfolded.weights).argmax() == 0
    assert average_precision(line(features), POSITIVE, GROUPS).value > 0.5


def test_the_fit_is_the_least_of_its_loss() -> None:
    weights = balanced(POSITIVE, GROUPS)

    def loss(slopes: np.ndarray, bias: float) -> float:
        scores = EMBEDDINGS @ slopes + bias
        return float(weights @ np.logaddexp(0, np.where(POSITIVE, -scores, scores)) + 0.05 * slopes @ slopes)

    line = fit(EMBEDDINGS, POSITIVE, weights, penalty=0.1)
    least = loss(*line)
    for _ in range(20):
        assert loss(line.weights + CHANCE.normal(scale=0.02, size=30), line.bias) > least
    assert loss(line.weights, line.bias + 0.05) > least


def test_each_scene_weighs_the_same_and_both_sides_their_share() -> None:
    positive = np.array([True, True, True, False, False])
    groups = np.array([0, 0, 1, 2, 3])
    np.testing.assert_allclose(balanced(positive, groups, base_rate=0.2), [0.05, 0.05, 0.1, 0.4, 0.4])


def test_calibration_is_monotone_and_means_what_it_says() -> None:
    # GIVEN raw scores, higher for positives
    raw = CHANCE.normal(size=4000)
    positive = CHANCE.random(4000) < 1 / (1 + np.exp(3 - 2 * raw))
    weights = balanced(positive, np.arange(4000), base_rate=BASE_RATE)

    # WHEN they are calibrated
    slope, offset = platt(raw, positive, weights)

    # THEN more stays more, and the mean probability is the base rate
    assert slope == pytest.approx(2, rel=0.15)
    assert (np.diff(sigmoid(slope * np.sort(raw) + offset)) >= 0).all()
    assert weights @ sigmoid(slope * raw + offset) == pytest.approx(BASE_RATE, rel=0.1)


def test_scores_that_say_the_opposite_are_not_turned_round() -> None:
    raw = np.where(POSITIVE, -1.0, 1.0) + CHANCE.normal(size=400)
    slope, offset = platt(raw, POSITIVE, balanced(POSITIVE, GROUPS, base_rate=BASE_RATE))
    assert slope == 0
    assert 0 < sigmoid(np.array(offset)) < 0.2


def test_separable_scores_do_not_become_certainties() -> None:
    raw = np.where(POSITIVE, 5.0, -5.0)
    slope, offset = platt(raw, POSITIVE, balanced(POSITIVE, GROUPS))
    assert 0.9 < sigmoid(np.array(slope * 5 + offset)) < 0.99


@pytest.mark.parametrize("seed", range(5))
def test_a_group_lies_in_one_fold_and_positives_in_all(seed: int) -> None:
    groups = np.random.default_rng(seed).integers(0, 60, 500)
    positive = np.isin(groups, np.arange(7))
    folds = deal(groups, positive, 5, seed)
    for group in np.unique(groups):
        assert len(set(folds[groups == group])) == 1
    assert set(folds[positive]) == set(folds[~positive]) == set(range(5))


def test_figures_of_scores_known_by_hand() -> None:
    # GIVEN the order yes, no, yes, no
    scores, positive, groups = np.array([0.9, 0.8, 0.7, 0.1]), np.array([True, False, True, False]), np.arange(4)

    # THEN precision is 1 and 2/3 where the positives come
    precision = average_precision(scores, positive, groups)
    assert precision.value == pytest.approx((1 + 2 / 3) / 2)
    assert precision.low <= precision.value <= precision.high
    at = at_threshold(scores, positive, groups, 0.75)
    assert (at.precision.value, at.recall.value, at.false_positives.value) == (0.5, 0.5, 0.5)
    assert threshold_for(scores, positive, 0.5) == 0.11
    assert threshold_for(scores, positive, 0.0) == 0.81


def test_intervals_are_as_wide_as_there_are_groups() -> None:
    # GIVEN the same scores, from forty scenes and from four
    raw = CHANCE.normal(size=400) + POSITIVE
    many = average_precision(raw, POSITIVE, np.arange(400))
    few = average_precision(raw, POSITIVE, np.arange(400) % 2 + 2 * ~POSITIVE)
    assert many.value == few.value
    assert many.high - many.low > 0.05
    assert (few.low, few.high) != (many.low, many.high)
