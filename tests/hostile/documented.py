"""`python -m tests.hostile.documented`: bring the table of docs/hostile-media.md up to date with the hazards."""

from pathlib import Path

from tests.hostile.table import HAZARDS, Hazard

PAGE = Path(__file__).parents[2] / "docs/hostile-media.md"
_HEAD = "| hazard | what Greenlight does | evasions named | gaps told |\n|---|---|---|---|\n"


def table() -> str:
    """The rows, refusals first."""
    return _HEAD + "".join(_row(hazard) for hazard in sorted(HAZARDS.values(), key=lambda hazard: not hazard.refused))


def _row(hazard: Hazard) -> str:
    does = "looks at it"
    if hazard.refused:
        does = f"refuses: `{hazard.refused}`"
    elif hazard.hides:
        does = "finds the code in it"
    named, told = (", ".join(f"`{word}`" for word in sorted(words)) for words in (hazard.evasions, hazard.gaps))
    return f"| {hazard.what} | {does} | {named} | {told} |\n"


def main() -> None:
    text = PAGE.read_text()
    start = text.index(_HEAD)
    end = text.find("\n\n", start)
    PAGE.write_text(text[:start] + table().rstrip("\n") + (text[end:] if end >= 0 else "\n"))


if __name__ == "__main__":
    main()
