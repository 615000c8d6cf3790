"""From a recipe to classifiers with their figures."""

import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

import numpy as np

from greenlight.heads.fit import platt
from greenlight.texts.data import HeadPlan, Part, Sample, read
from greenlight.texts.disguise import Homophones
from greenlight.texts.figures import Figures, figures
from greenlight.texts.fit import Doubles, Flags, Plane, Table, fit
from moderation.text.encoder import WIDTH, Floats, encoder
from moderation.text.folding import Folded, Folding
from moderation.text.linear import Head, sentence, spelling

_FOLDS = 4


@dataclass(frozen=True)
class Report:
    """A trained classifier: on how many texts, and its figures on those held out, all together and of each file."""

    plan: HeadPlan
    learnt: int
    together: Figures
    by_part: tuple[tuple[Part, Figures], ...]


def train(
    plan: HeadPlan, folder: Path, weights: Path, folding: Folding, cache: Path, progress: Callable[[int], None]
) -> tuple[Head, Report]:
    """One classifier of the texts that are not held out. Vectors of texts are kept in the file `cache`."""
    samples = read(plan, folder)
    learning = [sample for sample in samples if not sample.held_out]
    tabled: Callable[[Sequence[Folded]], Table] = lambda folded: Table.of(  # noqa: E731
        [spelling(one, plan.script) for one in folded],
        _vectors([sentence(one) for one in folded], weights, cache, progress),
    )
    table = tabled([folding.fold(sample.text) for sample in samples])
    positive = np.array([sample.positive for sample in samples])
    held_out = np.array([sample.held_out for sample in samples])
    learnt = table.rows(~held_out)
    twice = None
    if plan.disguised:
        homophones = Homophones(sample.text for sample in learning)
        twice = tabled([folding.fold(homophones.hide(one.text, number)) for number, one in enumerate(learning)])
    plane = _fit(learnt, twice, positive[~held_out])
    slope, offset = _calibrated(learnt, twice, positive[~held_out], learning)
    head = Head(
        plan.name,
        plan.label,
        plan.sub_label,
        plan.script,
        plane.grams.astype(np.float16),
        plane.meaning.astype(np.float16),
        plane.bias,
        slope,
        offset,
    )
    scores = 0.5 * (1 + np.tanh((slope * plane(table.rows(held_out)) + offset) / 2))
    kept = [sample for sample in samples if sample.held_out]
    truth = positive[held_out]
    by_part = []
    for part in plan.parts:
        of_part = np.array([sample.part == part for sample in kept])
        if of_part.any():
            by_part.append((part, figures(scores[of_part], truth[of_part])))
    return head, Report(plan, int((~held_out).sum()), figures(scores, truth), tuple(by_part))


def _fit(learnt: Table, twice: Table | None, positive: Flags) -> Plane:
    """Of texts, and of the same texts in disguise."""
    if twice is None:
        return fit(learnt, positive)
    return fit(learnt.and_rows(twice), np.concatenate([positive, positive]))


def _calibrated(learnt: Table, twice: Table | None, positive: Flags, samples: Sequence[Sample]) -> tuple[float, float]:
    """Platt's line through scores of texts that the fit for them has not seen, each counted once."""
    folds = np.array(
        [int.from_bytes(sha256(f"fold {one.group}".encode()).digest()[:4], "big") % _FOLDS for one in samples]
    )
    scores: Doubles = np.zeros(len(positive))
    for fold in range(_FOLDS):
        here = folds == fold
        plane = _fit(learnt.rows(~here), twice.rows(~here) if twice else None, positive[~here])
        scores[here] = plane(learnt.rows(here))
    return platt(scores, positive, np.full(len(positive), 1 / len(positive)))


def _vectors(texts: Sequence[str], weights: Path, cache: Path, progress: Callable[[int], None]) -> Floats:
    known: dict[str, Floats] = {}
    if cache.is_file():
        with np.load(cache, allow_pickle=False) as stored:
            known = dict(zip(stored["keys"].tolist(), stored["vectors"], strict=True))
    keys = [sha256(text.encode()).hexdigest()[:32] for text in texts]
    missing = {key: text for key, text in zip(keys, texts, strict=True) if key not in known}
    progress(len(texts) - len(missing))
    if missing:
        model = encoder(weights)
        for key, text in missing.items():
            known[key] = model.encode([text])[0].astype(np.float16)
            progress(1)
        cache.parent.mkdir(parents=True, exist_ok=True)
        draft = cache.with_suffix(f".{os.getpid()}.npz")
        np.savez(draft, keys=np.array(list(known)), vectors=np.array(list(known.values())))
        draft.replace(cache)
    return np.array([known[key] for key in keys], np.float32).reshape(-1, WIDTH)
