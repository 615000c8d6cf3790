"""What can be wrong with data for heads."""


class HeadsError(Exception):
    """Heads cannot be trained from these data; the message says why."""
