"""An evaluation for programs (JSON), for documents (markdown) and for people (a page of pictures)."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape
from typing import Any

from greenlight.evaluate.figures import (
    BenignFigures,
    LabelFigures,
    Share,
    SpeechFigures,
    of_benign,
    of_label,
    of_speech,
)
from greenlight.evaluate.look import Pair
from greenlight.evaluate.manifest import Item, Kind
from greenlight.evaluate.score import Judged
from moderation.models.template import Template

_NONE = "–"
_DIGITS = 4
_WORST = 24
"""Errors of each sort that the page shows."""


@dataclass(frozen=True)
class Evaluation:
    """What came out. `unknown` are labels that the product has no name for, `refused` items it did not take."""

    template: Template
    labels: tuple[LabelFigures, ...]
    meanings: dict[str, frozenset[Pair]]
    benign: BenignFigures
    by_kind: dict[Kind, BenignFigures]
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
            **_benign(found.benign),
            "by_kind": {str(kind): _benign(figures) for kind, figures in found.by_kind.items()},
            "causes": {"/".join(pair) if any(pair) else "gaps": n for pair, n in sorted(found.benign.causes.items())},
        },
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


def _benign(figures: BenignFigures) -> dict[str, Any]:
    return {
        "n": figures.reviewed.total,
        "review_rate": _value(figures.reviewed),
        "review_ci": _interval(figures.reviewed),
        "block_rate": _value(figures.blocked),
        "block_ci": _interval(figures.blocked),
    }


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
            told = " | ".join(_NONE if v is None else str(v) for v in (one.precision_curve, one.threshold, *shares))
            yield f"| {one.name} | {len(one.members)} | {one.positives} | {told} |"
        yield ""
    if found.by_kind:
        yield "| benign | items | review or block | block |"
        yield "|---|---|---|---|"
        for kind, figures in found.by_kind.items():
            yield f"| {kind} | {figures.reviewed.total} | {figures.reviewed} | {figures.blocked} |"
        yield ""
        for pair, count in sorted(found.benign.causes.items(), key=lambda one: -one[1]):
            yield f"* {'/'.join(pair) if any(pair) else 'gaps in coverage'}: {count} of {found.benign.reviewed.total}"
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


def page(found: Evaluation) -> str:
    """A page of the worst errors: of each label what was missed and what was taken for it, and of what is benign."""
    parts = [
        f"<!doctype html><meta charset=utf-8><title>{escape(found.template.id)}</title>",
        f"<style>{_STYLE}</style>",
    ]
    parts.append(f"<h1>The worst errors under {escape(found.template.id)}</h1>")
    for one in found.labels:
        pairs = found.meanings[one.name]
        ranked = sorted(one.members, key=lambda member: member.score(pairs))
        missed = [m for m in ranked if one.name in m.item.labels and not m.found(pairs)]
        taken = [m for m in reversed(ranked) if one.name not in m.item.labels and m.found(pairs)]
        if one.threshold is None:
            missed, taken = (
                [m for m in ranked if one.name in m.item.labels],
                [m for m in reversed(ranked) if one.name not in m.item.labels],
            )
        parts += _section(f"{one.name}: missed", missed, pairs)
        parts += _section(f"{one.name}: taken for it", taken, pairs)
    wrong = [one for one in found.judged if not one.item.labels and one.suggestion.severity]
    parts += _section("benign, and did not pass", sorted(wrong, key=lambda one: -one.suggestion.severity), None)
    return "\n".join(parts) + "\n"


_STYLE = (
    "body{font:14px sans-serif;margin:1em}div{display:flex;flex-wrap:wrap;gap:8px}figure{margin:0;width:192px}"
    "img{max-width:192px;max-height:144px}figcaption{font-size:11px;overflow-wrap:anywhere}"
)


def _section(title: str, errors: Sequence[Judged], pairs: frozenset[Pair] | None) -> Iterator[str]:
    if not errors:
        return
    yield f"<h2>{escape(title)} ({len(errors)})</h2><div>"
    for one in errors[:_WORST]:
        told = [f"{s.label}/{s.sub_label} {s.confidence} at {s.start:.1f} s" for s in one.segments[:3]]
        if pairs is not None:
            told.insert(0, f"score {one.score(pairs):.3f}")
        shown = f'<img alt="" src="data:image/jpeg;base64,{one.thumbnail}">' if one.thumbnail else ""
        words = escape(one.item.text[:200]) if one.item.kind is Kind.TEXT else ""
        caption = "<br>".join(escape(line) for line in (one.item.name, f"{one.suggestion}", *told))
        yield f"<figure>{shown}{words}<figcaption>{caption}</figcaption></figure>"
    yield "</div>"
