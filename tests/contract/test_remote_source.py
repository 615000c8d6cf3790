"""The plan and extract steps read the original over https, from a server with a certificate of its own."""

import datetime
import ipaddress
import ssl
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from moderation.media import ffmpeg
from moderation.media.ffmpeg import SourceUnavailable
from moderation.media.frames import extract_segment
from moderation.media.plan import make_plan
from moderation.models.plan import FrameSize
from tests import media_samples as samples

SIZES = [FrameSize(name="classify", side="short", pixels=64)]


@dataclass
class Store:
    """A server of one object: it answers ranges, counts bytes, and can be told to fail."""

    content: bytes
    status: int = 206
    cut_after: int | None = None
    mends: bool = False
    sent: int = 0
    requests: list[str] = field(default_factory=list)


class Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    store: Store

    def do_GET(self) -> None:
        store = self.store
        first = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").split("-")[0])
        store.requests.append(self.path)
        self.send_response(store.status)
        if store.status >= 300:
            self.send_header("Content-Length", "0")
            self.end_headers()
            return
        body = store.content[first:]
        self.send_header("Content-Length", str(len(body)))
        self.send_header("Content-Range", f"bytes {first}-{len(store.content) - 1}/{len(store.content)}")
        self.send_header("Accept-Ranges", "bytes")
        self.end_headers()
        for at in range(0, len(body), 16384):
            if store.cut_after is not None and store.sent > store.cut_after:
                self.connection.close()
                store.cut_after = None if store.mends else store.cut_after
                return
            self.wfile.write(body[at : at + 16384])
            store.sent += 16384

    def log_request(self, code: object = "-", size: object = "-") -> None:
        """Say nothing."""


class Quiet(ThreadingHTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """A reader that has enough hangs up: that is no error here."""


def certificate(folder: Path) -> tuple[Path, Path]:
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")])
    now = datetime.datetime.now(datetime.UTC)
    signed = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]),
            critical=False,
        )
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .sign(key, hashes.SHA256())
    )
    private, public = folder / "key.pem", folder / "certificate.pem"
    private.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
    public.write_bytes(signed.public_bytes(serialization.Encoding.PEM))
    return private, public


@pytest.fixture
def store(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, socket_enabled: None) -> Iterator[tuple[Store, str]]:
    """The store and the address of its object; ffmpeg trusts its certificate."""
    private, public = certificate(tmp_path)
    served = Store(samples.clip(seconds=8).read_bytes())
    server = Quiet(("127.0.0.1", 0), type("Bound", (Handler,), {"store": served}))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(public, private)
    server.socket = context.wrap_socket(server.socket, server_side=True, do_handshake_on_connect=False)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    monkeypatch.setenv("SSL_CERT_FILE", str(public))
    monkeypatch.setattr(ffmpeg, "_RECONNECTS", 1)
    ffmpeg._certificates.cache_clear()
    yield served, f"https://localhost:{server.server_address[1]}/media/1/source?X-Signature=s3cret"
    server.shutdown()
    server.server_close()
    ffmpeg._certificates.cache_clear()


def soon() -> float:
    return time.monotonic() + 30


def test_reads_over_tls_what_it_reads_from_a_file(
    store: tuple[Store, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    _, address = store
    monkeypatch.setattr("moderation.media.plan.SHORTEST", 2.0)

    remote, local = make_plan(address, deadline=soon()), make_plan(samples.clip(seconds=8), deadline=soon())

    assert remote.segments == local.segments
    assert len(remote.segments) == 4
    found = extract_segment(address, remote, 2, sizes=SIZES, with_sound=True, deadline=soon(), folder=tmp_path)
    assert found.frames.decoded == found.frames.expected == 50


def test_trusts_no_other_certificate(store: tuple[Store, str], monkeypatch: pytest.MonkeyPatch) -> None:
    served, address = store
    monkeypatch.delenv("SSL_CERT_FILE")
    ffmpeg._certificates.cache_clear()

    with pytest.raises(SourceUnavailable):
        make_plan(address, deadline=soon())
    assert served.requests == []


@pytest.mark.parametrize("status", [403, 404, 503])
def test_an_object_that_cannot_be_had_is_no_fault_of_the_media(store: tuple[Store, str], status: int) -> None:
    served, address = store
    served.status = status

    with pytest.raises(SourceUnavailable) as failed:
        make_plan(address, deadline=soon())
    assert "s3cret" not in str(failed.value)
    assert "localhost" not in str(failed.value)


def test_a_line_that_breaks_for_good_is_no_end_of_the_media(store: tuple[Store, str], tmp_path: Path) -> None:
    served, address = store
    plan = make_plan(address, deadline=soon())
    served.sent, served.cut_after = 0, len(served.content) // 3

    with pytest.raises(SourceUnavailable):
        extract_segment(address, plan, 0, sizes=SIZES, deadline=soon(), folder=tmp_path)


def test_a_line_that_breaks_once_is_connected_again(store: tuple[Store, str]) -> None:
    served, address = store
    served.cut_after, served.mends = len(served.content) // 3, True

    assert make_plan(address, deadline=soon()).video[0].frames == 200
    assert served.cut_after is None
