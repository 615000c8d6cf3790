"""`python -m tests.hostile [NAME…]`: what becomes of each hazard, and what that takes."""

import json
import sys
from pathlib import Path

from rich.console import Console
from rich.table import Table

from tests.bench import measure
from tests.hostile import HAZARDS

GREENLIGHT = Path(sys.executable).with_name("greenlight")


def main() -> None:
    table = Table("hazard", "came of it", "to come", "wall s", "CPU s", "peak MB")
    for hazard in HAZARDS.values():
        if len(sys.argv) > 1 and hazard.name not in sys.argv[1:]:
            continue
        used = measure.run([str(GREENLIGHT), "scan", str(hazard.make()), "--json"], accept=(0, 3, 10, 20))
        said = json.loads(used.output)
        came = said["error"]["code"] if "error" in said else " ".join([said["suggestion"], *said["evasions"]])
        figures = f"{used.wall:.1f}", f"{used.cpu:.1f}", f"{used.peak_mb:.0f}"
        table.add_row(hazard.name, came, hazard.refused or "looked at", *figures)
    Console(width=200).print(table)


if __name__ == "__main__":
    main()
