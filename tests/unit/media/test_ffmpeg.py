"""The one hardened call."""

import os
import sys
import time
from pathlib import Path

import pytest

from moderation.media import ffmpeg
from moderation.media.ffmpeg import Limits, MediaRefused, run
from moderation.models.plan import RefusalCode
from tests import media_samples as samples

ENDLESS = ["-stream_loop", "-1"]
DECODE = ["-f", "null", "-"]


def soon(seconds: float = 20) -> float:
    return time.monotonic() + seconds


def test_kills_the_whole_group_at_the_deadline() -> None:
    began = time.monotonic()

    with pytest.raises(MediaRefused) as refused:
        run(samples.clip(), [*ENDLESS, "-re"], DECODE, deadline=soon(0.5))

    assert refused.value.code is RefusalCode.TIMEOUT
    assert time.monotonic() - began < 5
    assert started() == []


def test_stops_when_the_reader_has_enough() -> None:
    lines: list[bytes] = []

    def line(data: bytes) -> bool:
        lines.append(data)
        return len(lines) < 20

    ended = run(samples.clip(), ENDLESS, ["-c", "copy", "-f", "framecrc", "pipe:1"], deadline=soon(), line=line)

    assert (ended.stopped, len(lines)) == (True, 20)
    assert started() == []


def test_a_failing_reader_leaves_no_process_behind() -> None:
    def line(data: bytes) -> bool:
        raise RuntimeError(data)

    with pytest.raises(RuntimeError):
        run(samples.clip(), ENDLESS, ["-c", "copy", "-f", "framecrc", "pipe:1"], deadline=soon(), line=line)

    assert started() == []


@pytest.mark.skipif(sys.platform != "linux", reason="only Linux bounds memory")
def test_memory_is_bounded_and_its_lack_is_the_files_fault() -> None:
    ended = run(samples.clip(), [], DECODE, deadline=soon(), limits=Limits(memory=200 * 2**20))

    assert ended.status != 0


def test_lack_of_memory_is_never_transient() -> None:
    log = ("[in#0 @ 0x1] Error opening input: Cannot allocate memory",)

    assert ffmpeg.Run(1, log, False).refusal is RefusalCode.MALFORMED


def test_the_log_is_bounded_and_tells_no_path(tmp_path: Path) -> None:
    secret = tmp_path / "secret-name.mp4"
    secret.write_bytes(samples.clip(seconds=1).read_bytes())

    ended = run(secret, [], [str(tmp_path / "secret-name.mkv")], deadline=soon(), level="trace")

    assert 10 < len(ended.log) <= 1000
    assert not any("secret-name" in entry or str(tmp_path) in entry for entry in ended.log)


@pytest.mark.parametrize(
    "address",
    [
        "http://example.com/source",
        "http://127.0.0.1/source",
        "ftp://example.com/source",
        "file:///etc/passwd",
        "concat:a|b",
        "/etc/passwd",
        "",
    ],
)
def test_reads_no_address_but_https(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("GREENLIGHT_PLAIN_HTTP_SOURCE", raising=False)

    with pytest.raises(ValueError, match="https"):
        run(address, [], DECODE, deadline=soon())


def test_plain_http_is_for_loopback_only(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GREENLIGHT_PLAIN_HTTP_SOURCE", "true")

    with pytest.raises(ValueError, match="https"):
        run("http://169.254.169.254/latest", [], DECODE, deadline=soon())


def test_opens_no_file_that_the_source_names(tmp_path: Path) -> None:
    """Not even when the demuxer would be asked to."""
    playlist = tmp_path / "list.mp4"
    playlist.write_text(f"ffconcat version 1.0\nfile 'file:{samples.clip()}'\n")

    ended = run(playlist, ["-f", "concat", "-safe", "0", "-format_whitelist", "concat,mov"], DECODE, deadline=soon())

    assert ended.status != 0


def test_the_binary_can_be_named(monkeypatch: pytest.MonkeyPatch) -> None:
    ffmpeg.executable.cache_clear()
    monkeypatch.setenv("GREENLIGHT_FFMPEG", "/opt/ffmpeg")
    try:
        assert ffmpeg.executable() == "/opt/ffmpeg"
    finally:
        ffmpeg.executable.cache_clear()


def started() -> list[str]:
    """Processes of ffmpeg that this one started and that still run; other tests may have started others."""
    found = []
    for entry in Path("/proc").glob("[0-9]*/stat"):
        try:
            name, _, rest = entry.read_text().rpartition(")")
            state, parent = rest.split()[:2]
        except OSError:
            continue
        if parent == str(os.getpid()) and state != "Z" and "ffmpeg" in name:
            found.append(entry.parent.name)
    return found
