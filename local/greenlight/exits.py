"""Exit codes of `scan` and `upload`, so that scripts can branch on the outcome."""

from enum import IntEnum

from moderation.models.verdict import Suggestion


class Exit(IntEnum):
    """What a command says with its exit code."""

    PASS = 0
    USAGE = 2
    REFUSED = 3
    FAILED = 4
    REVIEW = 10
    BLOCK = 20


OF_SUGGESTION = {Suggestion.PASS: Exit.PASS, Suggestion.REVIEW: Exit.REVIEW, Suggestion.BLOCK: Exit.BLOCK}
