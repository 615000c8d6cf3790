"""The secret that holds the private keys of playback URLs: written by `greenlight keys`, read by the signer.

There are two slots, A and B, each a parameter of the template that makes a public key of the key group. One slot
signs; the other is empty, or holds the next key while both are trusted.
"""

from datetime import timedelta
from typing import Literal

from pydantic import Field

from moderation.models.base import Model

Slot = Literal["A", "B"]

REFRESH = timedelta(minutes=5)
"""How long a signer uses a key before it reads the secret again."""


class SigningKey(Model):
    """One RSA key pair, both halves as PEM, and CloudFront's id of the public half once that is known."""

    slot: Slot
    private_key: str = Field(repr=False)
    public_key: str
    key_pair_id: str | None = None


class PlaybackKeys(Model):
    """The document in the secret: the key that signs and, while keys are rotated, the one that will."""

    active: SigningKey
    next: SigningKey | None = None
