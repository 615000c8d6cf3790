"""What ends an evaluation."""


class EvaluateError(Exception):
    """What was given cannot be evaluated; the message says why."""
