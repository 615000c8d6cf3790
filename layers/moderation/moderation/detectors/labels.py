"""What the names of heads, which are those of the data they learnt from, are in the product's words."""

from collections.abc import Mapping
from typing import NamedTuple


class Meaning(NamedTuple):
    """Label and sub_label, and the kind of thing where a sub_label has several."""

    label: str
    sub_label: str
    kind: str | None = None


MEANINGS: Mapping[str, Meaning] = {
    "weapon": Meaning("terror", "weapon"),
    "weapon_gun": Meaning("terror", "weapon", "gun"),
    "weapon_blade": Meaning("terror", "weapon", "blade"),
    "weapon_heavy": Meaning("terror", "weapon", "heavy"),
    "fire": Meaning("terror", "fire"),
    "protest": Meaning("terror", "protest"),
    "parade": Meaning("terror", "parade"),
    "crowd": Meaning("terror", "crowd"),
    "smoking": Meaning("undesirable", "smoking"),
}
"""A head without a meaning is measured, never reported."""
