"""The real lists and models, made once per session."""

from pathlib import Path

import pytest

from greenlight.weights import ensure_weights
from moderation.detectors.catalog import CATALOG
from moderation.text.judge import Judge


@pytest.fixture(scope="session")
def weights() -> Path:
    """The folder of the text judge's weights."""
    return ensure_weights(dict.fromkeys(name for spec in CATALOG if spec.step == "text" for name in spec.models))


@pytest.fixture(scope="session")
def words(weights: Path) -> Judge:
    """Lists, patterns and rules alone."""
    return Judge(weights, parts=["words"])


@pytest.fixture(scope="session")
def judge(weights: Path) -> Judge:
    """All parts."""
    return Judge(weights)
