"""A page of the worst errors for people to look at: pictures, what they are labelled as and what became of them."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from html import escape

from greenlight.evaluate.look import Pair
from greenlight.evaluate.manifest import Kind
from greenlight.evaluate.report import Evaluation, told
from greenlight.evaluate.score import Judged

_WORST = 24
"""Errors of each sort that are shown."""
_SEGMENTS = 3
_STYLE = """
:root{color-scheme:light dark;--line:#8884;--soft:#8881}
body{font:15px/1.4 system-ui,sans-serif;max-width:1240px;margin:0 auto;padding:1.5em}
h1{font-size:1.5em;margin:0 0 .3em}
h2{font-size:1.1em;margin:2em 0 .6em;padding-top:.6em;border-top:1px solid var(--line)}
nav{display:flex;flex-wrap:wrap;gap:.4em}nav a{padding:.1em .6em;border-radius:1em;background:var(--soft)}
a{color:inherit;text-decoration:none}small{opacity:.7;font-weight:normal}
div{display:grid;grid-template-columns:repeat(auto-fill,minmax(184px,1fr));gap:12px}
figure{margin:0;border:1px solid var(--line);border-radius:6px;overflow:hidden;font-size:12px}
img,blockquote{display:block;width:100%;height:138px;margin:0;object-fit:contain;background:#222;box-sizing:border-box}
blockquote{padding:8px;overflow:auto;color:#eee}
figcaption{padding:6px 8px}figcaption b{display:block;overflow-wrap:anywhere;margin-bottom:4px}
i{font-style:normal;padding:0 .5em;border-radius:1em;color:#fff;background:#2a7f3f}i.review{background:#a86400}
i.block{background:#b3261e}ul{margin:.3em 0 0;padding:0;list-style:none}
"""


@dataclass(frozen=True)
class _Section:
    """Errors of one sort, the worst first; those of a label with its score."""

    title: str
    errors: Sequence[Judged]
    pairs: frozenset[Pair] | None = None


def page(found: Evaluation) -> str:
    """The worst errors: of each label what was missed and what was taken for it, and of what is benign."""
    sections = [section for section in _sections(found) if section.errors]
    title = escape(f"Evaluation of {found.template.id}")
    return "\n".join(
        (
            f'<!doctype html><html lang="en"><meta charset="utf-8"><title>{title}</title>',
            f'<meta name="viewport" content="width=device-width"><style>{_STYLE}</style>',
            f"<h1>{title}</h1>",
            f"<p>{len(found.judged)} items. Of each sort of error the {_WORST} worst.</p>" if sections else "",
            "<nav>",
            *(f'<a href="#{n}">{_heading(section)}</a>' for n, section in enumerate(sections)),
            "</nav>" if sections else "</nav><p>There are no errors.</p>",
            *(line for n, section in enumerate(sections) for line in _drawn(n, section)),
            "</html>\n",
        )
    )


def _sections(found: Evaluation) -> Iterator[_Section]:
    """What is wrong; of labels that the template does not ask about, what would be the first to be."""
    wrong = [one for one in found.judged if not one.item.labels and one.suggestion.severity]
    yield _Section("benign, and did not pass", sorted(wrong, key=lambda one: -one.suggestion.severity))
    for one in found.labels:
        pairs = found.meanings[one.name]
        ranked = sorted(one.members, key=lambda member: member.score(pairs)) if pairs else []
        shown = [member for member in ranked if one.name in member.item.labels]
        other = [member for member in reversed(ranked) if one.name not in member.item.labels]
        if one.threshold is None and not any(member.score(pairs) for member in ranked):
            continue  # nobody looked for it
        if one.threshold is None:
            yield _Section(f"{one.name}: lowest scores", shown[:_WORST], pairs)
            yield _Section(f"{one.name}: highest scores without it", other[:_WORST], pairs)
        else:
            yield _Section(f"{one.name}: missed", [m for m in shown if not m.found(pairs)], pairs)
            yield _Section(f"{one.name}: taken for it", [m for m in other if m.found(pairs)], pairs)


def _heading(section: _Section) -> str:
    return f"{escape(section.title)} <small>{len(section.errors)}</small>"


def _drawn(number: int, section: _Section) -> Iterator[str]:
    yield f'<h2 id="{number}">{_heading(section)}</h2><div>'
    for one in section.errors[:_WORST]:
        name = escape(one.item.name)
        lines = [f"score {one.score(section.pairs):.3f}"] if section.pairs else []
        for found in one.segments[:_SEGMENTS]:
            at = f" at {found.start:.1f} s" if one.item.kind in (Kind.CLIP, Kind.SOUND) else ""
            lines.append(f"{told((found.label, found.sub_label))} {found.confidence}{at}")
        shown = f'<img alt="" src="data:image/jpeg;base64,{one.thumbnail}">' if one.thumbnail else ""
        yield (
            f"<figure>{shown or f'<blockquote>{escape(one.item.text or one.said or one.item.kind)}</blockquote>'}"
            f'<figcaption><b>{name}</b><i class="{one.suggestion}">{one.suggestion}</i>'
            f"<ul>{''.join(f'<li>{escape(line)}' for line in lines)}</ul></figcaption></figure>"
        )
    yield "</div>"
