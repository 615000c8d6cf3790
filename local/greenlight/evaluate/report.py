"""An evaluation for programs (JSON) and for documents (markdown)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from greenlight.evaluate.figures import (
    GAPS,
    BenignFigures,
    LabelFigures,
    Mistaken,
    Share,
    SpeechFigures,
    of_benign,
    of_label,
    of_mistaken,
    of_speech,
)
from greenlight.evaluate.look import Pair
from greenlight.evaluate.manifest import Item, Kind
from greenlight.evaluate.score import Judged
from moderation.models.template import Template

_NONE = "–"
_DIGITS = 4


@dataclass(frozen=True)
class Evaluation:
    """What came out. `unknown` are labels that the product has no name for, `refused` items it did not take."""

    template: Template
    labels: tuple[LabelFigures, ...]
    meanings: dict[str, frozenset[Pair]]
    benign: BenignFigures
    by_kind: dict[Kind, BenignFigures]
    mistaken: tuple[Mistaken, ...]
    speech: SpeechFigures | None
    judged: Sequence[Judged]
    refused: tuple[tuple[Item, str], ...]
    unknown: tuple[str, ...]


def evaluation(
    judged: Sequence[Judged],
    refused: Sequence[tuple[Item, str]],
    meanings: dict[str, frozenset[Pair]],
    template: Template,
) -> Evaluation:
    """Figures of everything; `meanings` are the pairs that each label of the manifest stands for, perhaps none."""
    labels = [
        of_label(name, pairs, judged, [n for n, others in meanings.items() if n != name and others & pairs], template)
        for name, pairs in sorted(meanings.items())
    ]
    kinds = sorted({one.item.kind for one in judged if not one.item.labels})
    return Evaluation(
        template=template,
        labels=tuple(labels),
        meanings=meanings,
        benign=of_benign(judged),
        by_kind={kind: of_benign(judged, kind) for kind in kinds},
        mistaken=tuple(of_mistaken(judged, meanings)),
        speech=of_speech(judged),
        judged=judged,
        refused=tuple(refused),
        unknown=tuple(sorted(name for name, pairs in meanings.items() if not pairs)),
    )


def document(found: Evaluation) -> dict[str, Any]:
    """The figures as JSON has them. Thresholds are confidences, 0–100; None is what could not be measured."""
    return {
        "template": found.template.id,
        "labels": {one.name: _label(one) for one in found.labels},
        "benign": {
            **_rates(found.benign.reviewed, found.benign.blocked),
            "by_kind": {str(kind): _rates(one.reviewed, one.blocked) for kind, one in found.by_kind.items()},
        },
        "mistaken": [
            {"shown": one.shown, "for": told(one.pair), **_rates(one.reviewed, one.blocked)} for one in found.mistaken
        ],
        **({"speech": _speech(found.speech)} if found.speech else {}),
        "refused": {item.name: code for item, code in found.refused},
        "unknown_labels": list(found.unknown),
    }


def _label(one: LabelFigures) -> dict[str, Any]:
    curve = one.precision_curve
    return {
        "n": len(one.members),
        "positives": one.positives,
        "ap": round(curve.value, _DIGITS) if curve else None,
        "ap_ci": [round(curve.low, _DIGITS), round(curve.high, _DIGITS)] if curve else None,
        "precision": _value(one.precision),
        "precision_ci": _interval(one.precision),
        "recall": _value(one.recall),
        "recall_ci": _interval(one.recall),
        "threshold": one.threshold,
    }


def _rates(reviewed: Share, blocked: Share) -> dict[str, Any]:
    return {
        "n": reviewed.total,
        "review_rate": _value(reviewed),
        "review_ci": _interval(reviewed),
        "block_rate": _value(blocked),
        "block_ci": _interval(blocked),
    }


def told(pair: Pair) -> str:
    """A label and sub_label in one word."""
    return "gaps in coverage" if pair == GAPS else "/".join(pair)


def _speech(figures: SpeechFigures) -> dict[str, Any]:
    return {"n": figures.files, "wer": figures.wer, "cer": figures.cer, "words_invented_in_silence": figures.invented}


def _value(share: Share | None) -> float | None:
    return round(share.value, _DIGITS) if share and share.total else None


def _interval(share: Share | None) -> list[float] | None:
    return [round(end, _DIGITS) for end in share.interval] if share and share.total else None


def markdown(found: Evaluation) -> str:
    """The figures as tables. Intervals are of 95 %: by a bootstrap over groups, or Wilson's."""
    return "\n".join(_lines(found)) + "\n"


def _lines(found: Evaluation) -> Iterator[str]:
    yield f"# Evaluation of {found.template.id}"
    yield ""
    if found.labels:
        yield "| label | items | with it | average precision | threshold | precision | recall |"
        yield "|---|---|---|---|---|---|---|"
        for one in found.labels:
            shares = [share if share and share.total else None for share in (one.precision, one.recall)]
            shares_told = " | ".join(
                _NONE if v is None else str(v) for v in (one.precision_curve, one.threshold, *shares)
            )
            yield f"| {one.name} | {len(one.members)} | {one.positives} | {shares_told} |"
        yield ""
    if found.by_kind:
        yield "| benign | items | review or block | block |"
        yield "|---|---|---|---|"
        for kind, figures in found.by_kind.items():
            yield f"| {kind} | {figures.reviewed.total} | {figures.reviewed} | {figures.blocked} |"
        yield ""
    if found.mistaken:
        yield "| shown | taken for | review or block | block |"
        yield "|---|---|---|---|"
        for wrong in found.mistaken:
            counts = " | ".join(f"{share.hits} of {share.total}: {share}" for share in (wrong.reviewed, wrong.blocked))
            yield f"| {wrong.shown} | {told(wrong.pair)} | {counts} |"
        yield ""
    if found.speech:
        shown = [_NONE if v is None else format(v, ".1%") for v in (found.speech.wer, found.speech.cer)]
        yield "| transcripts | words wrong (WER) | characters wrong (CER) | words invented where nobody speaks |"
        yield "|---|---|---|---|"
        yield f"| {found.speech.files} | {' | '.join(shown)} | {found.speech.invented} |"
        yield ""
    if found.unknown:
        yield f"Labels that no part of the product knows: {', '.join(found.unknown)}."
    if found.refused:
        yield f"Not taken, and not counted: {', '.join(f'{item.name} ({code})' for item, code in found.refused)}."
