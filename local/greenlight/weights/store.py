"""The cache of weights: complete and verified files only, written atomically, cheap to check again."""

import fcntl
import os
import shutil
import tempfile
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from itertools import groupby
from pathlib import Path
from typing import Literal

from greenlight.paths import CHECKOUT, cache_folder
from greenlight.weights.archives import Download, download, read_members, verify
from greenlight.weights.converters import convert, convert_plain
from greenlight.weights.errors import WeightsError
from greenlight.weights.manifest import Entry, Source, load_manifest

Step = Literal["download", "convert", "ready"]
Progress = Callable[[str, Step], None]

LICENCES = "licences"

_APACHE = CHECKOUT / "LICENSE"
"""The project's own licence is the same."""


def weights_folder() -> Path:
    """Where built weights are: the folder `weights` of the cache."""
    return cache_folder() / "weights"


def ensure_weights(names: Iterable[str] | None = None, progress: Progress | None = None) -> Path:
    """Build the weights that are missing and return their folder.

    `names` are names of the manifest, all when None; `progress` is called with a name and a step. Files that were
    verified before are recognised by size and time. Raises WeightsError: nothing unverified is ever left in the folder.
    """
    folder = weights_folder()
    build(load_manifest().select(names), folder, progress=progress)
    return folder


def copy_layer(layer: str, destination: Path) -> list[Path]:
    """Build a layer's weights, verify them and copy them with their licences into `destination`.

    Returns the copied weights. Raises WeightsError when the manifest knows no such layer.
    """
    entries = [entry for entry in load_manifest().weights if entry.layer == layer]
    if not entries:
        raise WeightsError(layer, "no weights in the manifest are for this layer")
    folder = weights_folder()
    build(entries, folder)
    return copy(entries, folder, destination)


def build(
    entries: Iterable[Entry], folder: Path, *, progress: Progress | None = None, fetch: Download = download
) -> None:
    """Bring each entry's output and licence into `folder`, fetching each archive once."""
    report = progress or (lambda name, step: None)
    wanted = list(entries)
    with _locked(folder):
        missing = [entry for entry in wanted if not is_ready(entry, folder)]
        by_sources = sorted(missing, key=lambda entry: [str(source) for source in _sources(entry)])
        for sources, group in groupby(by_sources, key=_sources):
            batch = list(group)
            for entry in batch:
                report(entry.name, "download")
            with tempfile.TemporaryDirectory(dir=folder, prefix=".fetch-") as temporary:
                archives = {}
                for source in sources:
                    room = Path(temporary, source.package)
                    room.mkdir(parents=True)
                    archives[source] = fetch(source, room)
                    verify(str(source), archives[source], source.sha256)
                for entry in batch:
                    report(entry.name, "convert")
                    _install(entry, archives, folder)
    for entry in wanted:
        report(entry.name, "ready")


def plain(entry: Entry, fetch: Download = download) -> bytes:
    """What the entry's converter makes of its archives, without bringing it to eight bits. Raises WeightsError."""
    members: dict[str, bytes] = {}
    for part in entry.parts:
        with tempfile.TemporaryDirectory() as folder:
            archive = fetch(part.source, Path(folder))
            verify(str(part.source), archive, part.source.sha256)
            members |= read_members(archive, part.members)
    return convert_plain(entry, members)


def is_ready(entry: Entry, folder: Path) -> bool:
    """Whether the output was verified as the manifest's and has not been touched since."""
    try:
        stamp = _stamp_path(entry, folder).read_text()
        return stamp == _stamp(entry, folder) and (folder / LICENCES / entry.notice_file).is_file()
    except FileNotFoundError:
        return False


def check(entry: Entry, folder: Path) -> None:
    """Hash the output again; raises WeightsError when it is missing or differs from the manifest."""
    path = folder / entry.output.file
    if not path.is_file():
        raise WeightsError(entry.name, "not built", advice="Run `greenlight weights build`.")
    verify(f"{entry.name}: {path}", path, entry.output.sha256)


def copy(entries: Iterable[Entry], folder: Path, destination: Path) -> list[Path]:
    """Copy outputs, verified once more, and their licences into `destination`."""
    (destination / LICENCES).mkdir(parents=True, exist_ok=True)
    copied = []
    for entry in entries:
        check(entry, folder)
        copied.append(Path(shutil.copy(folder / entry.output.file, destination / entry.output.file)))
        shutil.copy(folder / LICENCES / entry.notice_file, destination / LICENCES / entry.notice_file)
    return copied


def _sources(entry: Entry) -> tuple[Source, ...]:
    return tuple(part.source for part in entry.parts)


def _install(entry: Entry, archives: Mapping[Source, Path], folder: Path) -> None:
    notices = read_members(archives[entry.source], entry.licence.notices)
    members: dict[str, bytes] = {}
    for part in entry.parts:
        members |= read_members(archives[part.source], part.members)
    content = convert(entry, members)
    verify(f"{entry.name}: {entry.output.file}", content, entry.output.sha256)
    _write(folder / LICENCES / entry.notice_file, _notice(entry, notices.values()))
    _write(folder / entry.output.file, content)
    _write(_stamp_path(entry, folder), _stamp(entry, folder).encode())


def _notice(entry: Entry, texts: Iterable[bytes]) -> bytes:
    licence = entry.licence
    head = f"{entry.output.file}: {licence.model}, {licence.spdx}, {licence.holder}\nTaken from {entry.source}\n"
    own = [_APACHE.read_bytes()] if licence.spdx == "Apache-2.0" else []
    return b"\n".join([head.encode(), *(text.strip() + b"\n" for text in (*texts, *own))])


def _stamp_path(entry: Entry, folder: Path) -> Path:
    return folder / f".{entry.output.file}.verified"


def _stamp(entry: Entry, folder: Path) -> str:
    state = (folder / entry.output.file).stat()
    return f"{entry.output.sha256} {state.st_size} {state.st_mtime_ns}\n"


def _write(path: Path, content: bytes) -> None:
    """Write so that a reader sees the old file or the whole new one, whatever happens in between."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=".write-")
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        Path(temporary).chmod(0o644)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise


@contextmanager
def _locked(folder: Path) -> Iterator[None]:
    """One builder at a time: tests and commands may start together on a fresh machine."""
    folder.mkdir(parents=True, exist_ok=True)
    with (folder / ".lock").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield
