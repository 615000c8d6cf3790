"""The one place that runs ffmpeg, on files that nobody should trust.

The source reaches ffmpeg as an open descriptor or as an https URL of our own, so neither its name nor what it says
about other files can make ffmpeg open anything else. Time, memory, pictures and streams are bounded.
"""

import contextlib
import importlib.util
import math
import os
import re
import resource
import signal
import subprocess
import threading
import time
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import IO
from urllib.parse import urlsplit

from moderation.models.media import MAX_SIZE
from moderation.models.plan import RefusalCode

DEMUXERS = (
    "mov,matroska,webm,mpegts,mpeg,mpegvideo,avi,asf,flv,ogg,mxf,gif,apng,webp_anim,h264,hevc,vvc,av1,obu,ivf,m4v,"
    "vc1,dv,nut,rm,wtv,yuv4mpegpipe,wav,w64,mp3,aac,flac,aiff,amr,ac3,eac3,caf,au"
)
"""Containers of real media: none of them reads another file. Playlists, patterns and still images are not here."""

_LOOPBACK = {"127.0.0.1", "::1", "localhost"}
# Only what ffmpeg's network code and its opening of the input say: metadata of the media is in the log as well.
_NETWORK = re.compile(
    r"^\x1b(?:\[(?:https?|tls|tcp)\b[^\]]*\] .*(?:HTTP error [45]|Connection |Failed to resolve|verification failed"
    r"|unreachable|timed out)|(?:\[in#0\b[^\]]*\] \x1b)?Error (?:opening input|during demuxing).*(?:Server returned"
    r"|Input/output error|Connection|timed out|unreachable|Error number -\d+|Immediate exit))"
)
_BROKEN = re.compile(r"^\x1b\[https?\b[^\]]*\] \x1bStream ends prematurely")
_MENDED = re.compile(r"^\x1b\[https?\b[^\]]*\] \x1bWill reconnect")
_REQUEST = re.compile(r"^\x1b\[(?:http|tls|tcp)")
_PIXELS = re.compile(r"exceeds specified max pixel count|Picture size \d+x\d+ is invalid")
_STREAMS = re.compile(r"exceeds max_streams parameter")
_MEMORY = re.compile(r"Cannot allocate memory")
_PRIVATE = re.compile(r"(?:https?|file|fd):\S*|(?<![\w.])/[^\s'\"]+")
_ALWAYS = re.compile("|".join(pattern.pattern for pattern in (_NETWORK, _BROKEN, _MENDED, _PIXELS, _STREAMS, _MEMORY)))
_COLOUR = re.compile(r"(?:\x1b\[[\d;]*m)+")
MARK = "\x1b"
"""Stands in a log where ffmpeg changes colour. Media cannot write it: ffmpeg takes it out of all that it quotes."""
_RECONNECTS = 4
_BOUND = 'ulimit -v "$1" 2>/dev/null; ulimit -t "$2"; ulimit -c 0; shift 2; exec "$@"'
_LINE_BYTES = 2048
LOG_LINES = 1000


class MediaRefused(Exception):
    """The file itself is why it cannot be moderated: trying again changes nothing."""

    def __init__(self, code: RefusalCode, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class SourceUnavailable(Exception):
    """Our own URL could not be read, or somebody killed ffmpeg: worth trying again."""


@dataclass(frozen=True)
class Limits:
    """What one media may be, and what one run of ffmpeg may use. Sizes are in bytes, times in seconds."""

    duration: float = 6 * 3600
    size: int = MAX_SIZE
    pixels: int = 8192 * 4320
    video_tracks: int = 8
    audio_tracks: int = 32
    streams: int = 64
    packets: int = 30_000_000
    memory: int = 4 * 2**30
    cores: int = 2
    cpu: float = math.inf


LIMITS = Limits()


@dataclass(frozen=True)
class Run:
    """How a run ended: exit status (negative for a signal), the end of its log, whether the reader stopped it."""

    status: int
    log: tuple[str, ...]
    stopped: bool

    @property
    def refusal(self) -> RefusalCode | None:
        """The reason in the log why this file cannot be read, if it is one of the known ones."""
        text = "\n".join(self.log)
        if _PIXELS.search(text):
            return RefusalCode.PIXELS
        if _STREAMS.search(text):
            return RefusalCode.STREAMS
        return RefusalCode.MALFORMED if _MEMORY.search(text) else None


@cache
def executable() -> str:
    """The ffmpeg binary: GREENLIGHT_FFMPEG, else the one that imageio-ffmpeg brings."""
    named = os.environ.get("GREENLIGHT_FFMPEG")
    if named:
        return named
    from imageio_ffmpeg import get_ffmpeg_exe  # only the functions with the ffmpeg layer have it

    return str(get_ffmpeg_exe())


def run(
    source: Path | str,
    before: Sequence[str],
    after: Sequence[str],
    *,
    deadline: float,
    limits: Limits = LIMITS,
    level: str = "info",
    line: Callable[[bytes], bool] | None = None,
    keep: Callable[[str], object] | None = None,
    brief: bool = False,
) -> Run:
    """Run ffmpeg on `source` (a local file or a URL of our own) until `deadline`, a time.monotonic() value.

    `before` and `after` are the arguments before and after the input; outputs are named by the caller and never
    by the media. `line` is given each line of standard output and returns False to stop the run. Of the log the
    last LOG_LINES are kept, of those that `keep` picks when it is given; a `brief` run is stopped by so many.
    Raises MediaRefused(timeout) at the deadline and SourceUnavailable when the URL cannot be read or ffmpeg
    is killed from outside, as where memory runs out.
    """
    with _input(source) as (arguments, descriptors):
        command = [
            executable(),
            *("-nostdin", "-hide_banner", "-nostats", "-y", "-v", f"repeat+{level}"),
            *("-format_whitelist", DEMUXERS, "-max_streams", str(limits.streams), "-max_pixels", str(limits.pixels)),
            *before,
            *arguments,
            *after,
        ]
        allowed, before_it = _processor_time(limits, deadline - time.monotonic()), _spent()
        process = subprocess.Popen(
            _bounded(command, limits, allowed),
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE if line else subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            pass_fds=descriptors,
            process_group=0,
            env={"LC_ALL": "C", "AV_LOG_FORCE_COLOR": "1"},
        )
        ended = _follow(process, line, deadline, keep, brief)
    if ended.status == -signal.SIGKILL and not ended.stopped:
        if _spent() - before_it < allowed / 2:  # systems differ in how exactly they count
            raise SourceUnavailable("ffmpeg was killed, which says nothing about the file")
        raise MediaRefused(RefusalCode.TIMEOUT, "the file takes too long to read")
    if isinstance(source, str) and (trouble := _trouble(ended.log)) is not None:
        raise SourceUnavailable(trouble)
    return ended


def _trouble(log: Sequence[str]) -> str | None:
    """What kept ffmpeg from reading the URL to its end, unless it mended that itself by connecting again."""
    broken = [entry for entry in log if _BROKEN.search(entry)]
    if len(broken) > sum(bool(_MENDED.search(entry)) for entry in log):
        return broken[-1]
    mended = any(_MENDED.search(entry) for entry in log)
    said = (entry for entry in reversed(log) if _NETWORK.search(entry))
    return next((entry for entry in said if not mended or not _REQUEST.match(entry)), None)


def _follow(
    process: subprocess.Popen[bytes],
    line: Callable[[bytes], bool] | None,
    deadline: float,
    keep: Callable[[str], object] | None,
    brief: bool,
) -> Run:
    late, full = threading.Event(), threading.Event()

    def expire() -> None:
        late.set()
        _kill(process)

    timer = threading.Timer(max(deadline - time.monotonic(), 0.0), expire)
    timer.daemon = True
    timer.start()
    log: deque[str] = deque(maxlen=LOG_LINES)
    stderr = process.stderr
    assert stderr is not None  # noqa: S101 - it was asked for

    def told() -> None:
        if _collect(stderr, log, keep, brief):
            full.set()
            _kill(process)

    reader = threading.Thread(target=told, daemon=True)
    reader.start()
    stopped = False
    try:
        if line is not None and process.stdout is not None:
            stopped = not _feed(process.stdout, line)
            if stopped:
                _kill(process)
        status = process.wait()
    finally:
        _kill(process)
        process.wait()
        timer.cancel()
        reader.join(timeout=5)
        for stream in (process.stdout, process.stderr):
            if stream is not None:
                stream.close()
    stopped |= full.is_set()
    if late.is_set():
        raise MediaRefused(RefusalCode.TIMEOUT, "the file takes too long to read")
    return Run(status, tuple(log), stopped)


def _feed(stdout: IO[bytes], line: Callable[[bytes], bool]) -> bool:
    """Give each line away; False once the receiver wants no more."""
    while data := stdout.readline(_LINE_BYTES):
        if not line(data):
            return False
    return True


def _collect(stderr: IO[bytes], log: deque[str], keep: Callable[[str], object] | None, brief: bool) -> bool:
    """Keep the end of the log, marked, without addresses and paths; what is longer than a line should be is cut.

    True when it is `brief` and full.
    """
    with contextlib.suppress(ValueError):  # closed under a reader that outlived its process
        while data := stderr.readline(_LINE_BYTES):
            entry = _COLOUR.sub(MARK, data.decode("utf-8", "replace").rstrip())
            if keep is None or keep(entry) or _ALWAYS.search(entry):
                log.append(_PRIVATE.sub("…", entry))
                if brief and len(log) == LOG_LINES:
                    return True
    return False


def _processor_time(limits: Limits, seconds: float) -> int:
    return max(1, math.ceil(min(seconds * limits.cores, limits.cpu)))


def _spent() -> float:
    """Seconds of processor time that all processes took which this one has started and seen the end of."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _bounded(command: Sequence[str], limits: Limits, cpu: int) -> list[str]:
    """The command under limits on memory and CPU, set before it starts: limits set on a running process come late.

    Where the system cannot bound memory (macOS), the rest still holds. The CPU limit is hard: ffmpeg would catch the
    signal of a soft one, and end as if nothing were the matter.
    """
    return ["/bin/sh", "-c", _BOUND, "sh", str(limits.memory // 1024), str(cpu), *command]


def _kill(process: subprocess.Popen[bytes]) -> None:
    if process.poll() is None:
        with contextlib.suppress(ProcessLookupError, PermissionError):
            os.killpg(process.pid, signal.SIGKILL)


@contextlib.contextmanager
def _input(source: Path | str) -> Iterator[tuple[list[str], tuple[int, ...]]]:
    """The input's arguments, and the descriptors that ffmpeg inherits."""
    if isinstance(source, Path):
        descriptor = os.open(source, os.O_RDONLY | os.O_CLOEXEC)
        try:
            yield ["-protocol_whitelist", "fd", "-fd", str(descriptor), "-i", "fd:"], (descriptor,)
        finally:
            os.close(descriptor)
        return
    yield [*_address(source), "-i", source], ()


def _address(url: str) -> list[str]:
    """Options for reading a URL of our own. Raises ValueError for any address that we would not have made."""
    parts = urlsplit(url)
    plain = parts.scheme == "http" and parts.hostname in _LOOPBACK and bool(_plain_http_allowed())
    if parts.scheme != "https" and not plain:
        raise ValueError("a source is a local file or an https address")
    retry = ["-reconnect", "1", "-reconnect_on_network_error", "1", "-reconnect_on_http_error", "5xx"]
    retry += ["-reconnect_delay_max", "4", "-reconnect_max_retries", str(_RECONNECTS), "-rw_timeout", "30000000"]
    if plain:
        return ["-protocol_whitelist", "http,tcp", *retry]
    bundle = _certificates()
    trust = ["-ca_file", bundle] if bundle else []
    return ["-protocol_whitelist", "https,tls,tcp", "-tls_verify", "1", *trust, *retry]


def _plain_http_allowed() -> bool:
    return os.environ.get("GREENLIGHT_PLAIN_HTTP_SOURCE", "").lower() in {"1", "true", "yes", "on"}


@cache
def _certificates() -> str | None:
    """A bundle of authorities: the static ffmpeg looks for one where Lambda has none."""
    named = os.environ.get("SSL_CERT_FILE")
    if named:
        return named
    for package in ("certifi", "botocore"):
        found = importlib.util.find_spec(package)
        if found is not None and found.origin is not None:
            bundle = Path(found.origin).with_name("cacert.pem")
            if bundle.is_file():
                return str(bundle)
    return None
