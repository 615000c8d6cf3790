"""How large each built function is with its layers, unpacked, against the limit of Lambda."""

from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from greenlight.exits import Exit
from greenlight.stack.template import read

LIMIT = 262_144_000
"""Bytes that Lambda unpacks at most: 250 MiB, layers included."""


@dataclass(frozen=True)
class Sizes:
    """Bytes of one function: its own code, and each of its layers by logical name."""

    code: int
    layers: dict[str, int]

    @property
    def total(self) -> int:
        return self.code + sum(self.layers.values())

    @property
    def fits(self) -> bool:
        return self.total <= LIMIT


def function_sizes(build_dir: Path) -> dict[str, Sizes]:
    """The sizes of every function that `sam build` left in a folder, by logical name.

    Raises FileNotFoundError when nothing was built there.
    """
    template = read(build_dir / "template.yaml")
    resources = template["Resources"]
    common = template.get("Globals", {}).get("Function", {}).get("Layers", [])
    layers = {
        name: _bytes_below(build_dir / resource["Properties"]["ContentUri"])
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::LayerVersion"
    }
    return {
        name: Sizes(
            code=_bytes_below(build_dir / properties["CodeUri"]),
            layers={layer["Ref"]: layers[layer["Ref"]] for layer in [*common, *properties.get("Layers", [])]},
        )
        for name, properties in _functions(resources)
    }


def sizes(
    build_dir: Annotated[Path, typer.Argument(help="what `sam build` wrote", file_okay=False)] = Path(".aws-sam/build"),
) -> None:
    """Print the unpacked size of each built function with its layers; fails above 250 MiB."""
    try:
        found = function_sizes(build_dir)
    except FileNotFoundError as error:
        typer.echo(f"there is no build in {build_dir}: run `make build` first", err=True)
        raise typer.Exit(Exit.USAGE) from error
    table = Table("function", "code", "layers", "total MB", f"of {LIMIT / 1e6:.1f}")
    for name, size in sorted(found.items(), key=lambda item: -item[1].total):
        parts = ", ".join(f"{layer} {part / 1e6:.1f}" for layer, part in size.layers.items())
        style = None if size.fits else "red"
        table.add_row(
            name, f"{size.code / 1e6:.1f}", parts, f"{size.total / 1e6:.1f}", f"{size.total / LIMIT:.0%}", style=style
        )
    Console().print(table)
    if not all(size.fits for size in found.values()):
        raise typer.Exit(Exit.FAILED)


def _functions(resources: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    return [
        (name, resource["Properties"])
        for name, resource in resources.items()
        if resource["Type"] == "AWS::Serverless::Function"
    ]


def _bytes_below(folder: Path) -> int:
    return sum(path.lstat().st_size for path in folder.rglob("*") if not path.is_dir())
