"""What the names of heads, which are those of the data they learnt from, are in the product's words."""

from collections.abc import Collection, Mapping
from typing import NamedTuple


class Meaning(NamedTuple):
    """Label and sub_label, and the kind of thing where a sub_label has several."""

    label: str
    sub_label: str
    kind: str | None = None


ANY = "*"
"""In the place of a sub_label: whichever it is."""

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

LOOKED_AT_CLOSELY = frozenset({("terror", "weapon"), ("terror", "crowd")})
"""What detectors of their own make of heads and of more."""

DATA_NAMES: Mapping[str, tuple[Meaning, ...]] = {
    "gun": (Meaning("terror", "weapon", "gun"),),
    "violence_fight": (Meaning("terror", "violence"),),
    "fight": (Meaning("terror", "violence"),),
    "car_accident": (Meaning("terror", "carcrash"),),
    "in_car_dashcam": (Meaning("undesirable", "in_car"),),
    "dashcam": (Meaning("undesirable", "in_car"),),
    "swimwear": (Meaning("porn", "sexy"),),
    "bare_skin": (Meaning("porn", "sexy"),),
    "qr_code": (Meaning("ad", "qrcode"),),
    "mini_program_code": (Meaning("ad", "programcode"),),
    "picture_in_picture": (Meaning("undesirable", "pip"),),
    "tv_logo": (Meaning("logo", "tv"),),
    "flag": (Meaning("terror", "flag"),),
    "moan": (Meaning("porn", "moan"),),
    "baby_cry": (Meaning("undesirable", "crying"),),
    "cry_voice": (Meaning("undesirable", "crying"),),
    "pain_voice": (Meaning("porn", "moan"), Meaning("terror", "scream")),
    "toxic": (Meaning("abuse", ANY),),
    "offensive": (Meaning("abuse", ANY),),
    "hateful": (Meaning("abuse", ANY),),
}
"""What names that no head has mean in collections of pictures, sounds and texts."""

BENIGN_NAMES = frozenset(
    {"", "0", "benign", "clean", "fine", "ham", "neither", "no", "none", "non-hateful", "normal", "not toxic", "safe"}
)
"""What collections call that in which nothing is to be found."""


def meant(name: str, targets: Collection[tuple[str, str]]) -> frozenset[tuple[str, str]]:
    """The labels and sub_labels, of those in `targets`, that a name of some collection stands for.

    Names may be the product's own: label/sub_label, a label or a sub_label. Of `sound:baby_cry` and `flag:no` the
    whole, its end and its beginning are tried. Empty for what the product does not know.
    """
    for part in dict.fromkeys((name, name.rpartition(":")[2], name.partition(":")[0])):
        known = (MEANINGS[part],) if part in MEANINGS else DATA_NAMES.get(part.lower(), ())
        found = {
            target
            for target in targets
            if part in ("/".join(target), *target)
            or any(target[0] == one.label and one.sub_label in (ANY, target[1]) for one in known)
        }
        if found:
            return frozenset(found)
    return frozenset()
