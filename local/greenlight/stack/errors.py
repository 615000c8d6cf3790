"""What can go wrong with the local stack, said so that the reader knows what to do."""


class StackError(Exception):
    """The local stack cannot do what was asked; the message says why and what helps."""
