"""Signs playback URLs: for CloudFront on AWS, for S3 on the local stack. Needs `cryptography`."""

from datetime import datetime
from threading import Lock
from typing import TYPE_CHECKING
from urllib.parse import quote

from botocore.signers import CloudFrontSigner as UrlSigner
from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.hashes import SHA1
from cryptography.hazmat.primitives.serialization import load_pem_private_key

from moderation.aws.errors import port_errors
from moderation.aws.playback_keys import REFRESH, PlaybackKeys
from moderation.models.errors import Transient
from moderation.ports import Clock

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_secretsmanager import SecretsManagerClient


class CloudFrontSigner:
    """The port `Signer` over one distribution.

    `key_pair_id` is CloudFront's id of the public key in slot A. The secret's own id, known since the first
    rotation, goes before it.
    """

    def __init__(
        self, secrets: "SecretsManagerClient", secret_id: str, domain: str, clock: Clock, key_pair_id: str = ""
    ) -> None:
        self._secrets = secrets
        self._secret_id = secret_id
        self._domain = domain
        self._clock = clock
        self._key_pair_id = key_pair_id
        self._lock = Lock()
        self._signer: UrlSigner | None = None
        self._fresh_until: datetime | None = None

    def sign(self, key: str, expires_at: datetime) -> str:
        """A URL with a canned policy: this very object, until `expires_at` (cut to whole seconds)."""
        return self._current().generate_presigned_url(f"https://{self._domain}/{quote(key)}", date_less_than=expires_at)

    def _current(self) -> UrlSigner:
        with self._lock:
            now = self._clock.now()
            if self._signer is not None and self._fresh_until is not None and now < self._fresh_until:
                return self._signer
            try:
                self._signer = self._load()
            except Transient:
                if self._signer is None:
                    raise  # else the key at hand goes on signing: both keys are trusted during a rotation
            self._fresh_until = now + REFRESH
            return self._signer

    def _load(self) -> UrlSigner:
        with port_errors():
            secret = self._secrets.get_secret_value(SecretId=self._secret_id)["SecretString"]
        active = PlaybackKeys.model_validate_json(secret).active
        private_key = load_pem_private_key(active.private_key.encode(), password=None)
        if not isinstance(private_key, RSAPrivateKey):
            raise ValueError("the secret holds no RSA key: `greenlight keys create` makes one")
        rsa: RSAPrivateKey = private_key
        # CloudFront verifies nothing but RSA with SHA-1.
        return UrlSigner(
            active.key_pair_id or self._key_pair_id,
            lambda message: rsa.sign(message, PKCS1v15(), SHA1()),  # noqa: S303 # nosec B303
        )


class S3Signer:
    """The port `Signer` for the local stack, which models no signed CloudFront URLs."""

    def __init__(self, client: "S3Client", bucket: str, clock: Clock) -> None:
        self._client = client
        self._bucket = bucket
        self._clock = clock

    def sign(self, key: str, expires_at: datetime) -> str:
        seconds = int((expires_at - self._clock.now()).total_seconds())
        return self._client.generate_presigned_url(
            "get_object", Params={"Bucket": self._bucket, "Key": key}, ExpiresIn=max(1, seconds)
        )
