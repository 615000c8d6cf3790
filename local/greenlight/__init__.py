"""The command line and the local stack; never deployed."""

from moderation import __version__

__all__ = ["__version__"]
