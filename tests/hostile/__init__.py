"""Every way known to make a moderation pipeline look away, as files that are made here."""

from tests.hostile import handled, refusals
from tests.hostile.table import HAZARDS, Hazard

__all__ = ["HAZARDS", "Hazard", "handled", "refusals"]
