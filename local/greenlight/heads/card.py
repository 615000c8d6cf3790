"""The model card of a file of heads, in markdown."""

from collections import Counter
from collections.abc import Iterator, Sequence

from greenlight.heads.data import Recipe, Sample
from greenlight.heads.figures import AtThreshold, Figure
from greenlight.heads.fit import BASE_RATE
from greenlight.heads.train import RATES, Report, Together
from moderation.detectors.heads import HeadsFile

_NONE = "–"


def card(
    file: HeadsFile,
    reports: Sequence[Report],
    joined: Sequence[Together],
    samples: Sequence[Sample],
    recipe: Recipe,
    *,
    altered: int,
    tested: str,
) -> Iterator[str]:
    """Line by line what the heads learnt from and how well they know it. `tested` names the other data, "" without."""
    of = "close: a linear head on close-ups of people," if recipe.people else "heads: linear heads"
    yield f"# {of} on the embedding of EfficientNet-Lite3"
    yield ""
    yield f"Heads `{file.digest}`, over the model"
    yield f"`{file.model_sha256}`, from the list of pictures"
    yield f"`{file.data_sha256}`. Each is a logistic regression over one"
    seen = "a close-up of a person, as it is or made small" if recipe.people else "the whole picture"
    yield f"embedding of {seen}: all of them cost one run of the model. Positives and negatives weigh the"
    yield "same, and each scene the same. They learn from every picture, with the label or without, and from altered"
    yield f"copies (turned, cropped, lit otherwise, mirrored) of each: {altered}."
    yield f"A score is a probability where {BASE_RATE:.0%} of the pictures show the label (Platt)."
    for one in reports:
        if one.plan.base_rate != BASE_RATE:
            yield f"For `{one.plan.name}` it is {one.plan.base_rate:.2%} of them."
    yield ""
    yield f"    greenlight train-heads DATA --recipe RECIPE{' --test OTHERS' if tested else ''} --altered {altered}"
    for one in reports:
        if one.plan.tags:
            yield ""
            yield f"`{one.plan.name}` leans by {one.plan.lean} on tags of ImageNet: {', '.join(one.plan.tags)}."
    yield ""
    yield "## Data"
    yield ""
    yield "| collection | pictures | licence as stated | permissive |"
    yield "|---|---|---|---|"
    of_origin = Counter((one.origin, one.licence, one.permissive) for one in samples)
    for (origin, licence, permissive), pictures in sorted(of_origin.items()):
        yield f"| {origin} | {pictures} | {licence.replace('|', '/')} | {'yes' if permissive else 'no'} |"
    yield ""
    yield "## Figures"
    yield ""
    yield "On groups that were not learnt from (grouped folds), with 95 % intervals of a bootstrap over groups."
    rates = " | ".join(f"recall at {rate:.1%} false positives | threshold" for rate in RATES)
    yield ""
    yield f"| head | pictures (groups) | average precision | {rates} |"
    yield f"|---|---|---|{'---|---|' * len(RATES)}"
    for one in reports:
        yield _row(_name(one), f"{one.pictures} ({one.groups})", one.precision, one.thresholds)
    if joined:
        yield ""
        yield "As the product reports them, the highest score of some heads, against pictures without their labels:"
        yield ""
        yield f"| highest, for | pictures | average precision | {rates} |"
        yield f"|---|---|---|{'---|---|' * len(RATES)}"
        for highest in joined:
            yield _row(highest.name, str(highest.pictures), highest.precision, highest.thresholds)
    across = [(one, origin, figure) for one in reports for origin, figure in one.sources.items()]
    if across:
        yield ""
        yield "Trained without a collection, tested on its pictures with the label and on held-out ones without:"
        yield ""
        yield "| head | collection left out | average precision |"
        yield "|---|---|---|"
        for one, origin, figure in across:
            yield f"| {_name(one)} | {origin} | {figure} |"
    if tested:
        yield ""
        yield f"On other pictures ({tested}), at the same thresholds:"
        yield ""
        rates = " | ".join(f"recall | false positives ({rate:.1%})" for rate in RATES)
        yield f"| head | with, without | average precision | {rates} |"
        yield f"|---|---|---|{'---|---|' * len(RATES)}"
        for one in reports:
            if one.tested:
                figures = " | ".join(_both(at, one.tested.precision) for at in one.tested.thresholds)
                count = f"{one.tested.pictures}, {one.tested.negatives}"
                yield f"| {_name(one)} | {count} | {one.tested.precision or _NONE} | {figures} |"
    yield ""
    yield "## Known failures"
    yield ""
    yield from (f"* {sentence}" for sentence in recipe.known_failures or ("None stated.",))


def _row(name: str, pictures: str, precision: Figure, thresholds: Sequence[AtThreshold]) -> str:
    shown = " | ".join(f"{at.recall} | {at.threshold:.2f}" for at in thresholds)
    return f"| {name} | {pictures} | {precision} | {shown} |"


def _both(at: AtThreshold, precision: Figure | None) -> str:
    return f"{at.recall if precision else _NONE} | {at.false_positives}"


def _name(report: Report) -> str:
    return f"{report.plan.name} (experimental, not in the file)" if report.plan.experimental else report.plan.name
