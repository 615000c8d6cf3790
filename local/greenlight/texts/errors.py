"""What stops the training of text classifiers."""


class TextsError(Exception):
    """A sentence for the person at the terminal."""
