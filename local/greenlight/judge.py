"""`greenlight judge`: live comments, or any texts, before the text judge of a template."""

import json
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated

import typer
from rich.console import Console

from greenlight.exits import OF_SUGGESTION, Exit
from greenlight.libraries import beside
from greenlight.put_template import NotWhole, checked
from greenlight.weights.errors import WeightsError
from greenlight.weights.store import ensure_weights
from moderation.detectors.catalog import needed
from moderation.models.errors import ModerationError
from moderation.models.keywords import KeywordLibrary
from moderation.models.reading import JudgedText, Reading, Text
from moderation.models.template import Form, Template
from moderation.models.verdict import Segment, Suggestion
from moderation.reading import text_segments
from moderation.services.templates import load_template
from moderation.services.work import library
from moderation.text.judge import Judge
from moderation.text.linear import LONGEST_TEXT

_TOLD = {"label", "sub_label", "confidence", "suggestion", "keywords", "source", "library"}
_OVERLAP = 200
"""Characters that two parts of a long text share: a word on the border is whole in one of them."""
_messages = Console(stderr=True)


def judge(
    texts: Annotated[list[str] | None, typer.Argument(help="texts; without any, lines of standard input")] = None,
    template: Annotated[str, typer.Option(help="a preset or a JSON file; its libraries lie beside it")] = "standard",
    as_json: Annotated[bool, typer.Option("--json", help="a JSON document for each text")] = False,
) -> None:
    """Judge texts, such as live comments, as titles are judged: each at once and in a line of its own.

    Exit codes, of the worst text: 0 pass, 10 review, 20 block; 4 failed, 2 usage.
    """
    try:
        chosen = load_template(template)
        find = finder(chosen, template)
    except (ModerationError, NotWhole, WeightsError) as error:
        _messages.print(str(error), style="red", markup=False, highlight=False, soft_wrap=True)
        raise typer.Exit(Exit.FAILED) from error
    worst = Exit.PASS
    for text in map(str.strip, texts or _lines()):
        found = find(text) if text else []
        suggested = found[0].suggestion if found else Suggestion.PASS
        worst = max(worst, OF_SUGGESTION[suggested])
        if as_json:
            segments = [one.model_dump(mode="json", include=_TOLD) for one in found]
            told = json.dumps({"text": text, "suggestion": suggested, "segments": segments}, ensure_ascii=False)
        else:
            why = f"{found[0].label}/{found[0].sub_label} {found[0].confidence}" if found else ""
            told = f"{suggested:6}  {why:24}  {''.join(sign if sign.isprintable() else ' ' for sign in text)}"
        typer.echo(told)
    raise typer.Exit(worst)


def _lines() -> Iterator[str]:
    """Standard input as it comes: whatever its bytes, a line is one, and none ends the others."""
    for line in sys.stdin.buffer:
        yield line.decode(errors="replace")


def finder(template: Template, name: str) -> Callable[[str], list[Segment]]:
    """What judges one text by a template that is called `name`: its findings worth a look, the worst first.

    Raises NotWhole for libraries that are missing or damaged, and for a template that does not ask about titles.
    """
    specs = [spec for spec in needed(template, "text") if any(form is Form.TITLE for form, _, _ in template.targets())]
    if not specs:
        raise NotWhole(f"{template.name} asks nothing about titles")
    documents = checked(template, dict(beside(name, template)))
    lists = [KeywordLibrary.read(one, documents[library("keywords", one)]) for one in template.keywords]
    weights: Path = ensure_weights(dict.fromkeys(model for spec in specs for model in spec.models))
    judging = Judge(weights, lists, targets=template.targets(), parts=[spec.name for spec in specs])

    def find(text: str) -> list[Segment]:
        judged = [
            JudgedText(text=Text(form=Form.TITLE, text=part), findings=tuple(judging.judge(part)))
            for part in _parts(text)
        ]
        return text_segments(Reading(texts=tuple(judged), detectors={}), template)

    return find


def _parts(text: str) -> Iterator[str]:
    for start in range(0, max(1, len(text) - _OVERLAP), LONGEST_TEXT - _OVERLAP):
        yield text[start : start + LONGEST_TEXT]
