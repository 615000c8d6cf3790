"""`sam build` for both architectures, as a machine without Lambda's Python does it."""

import os
import subprocess
import sys
from pathlib import Path

import pytest
from typer import Typer
from typer.testing import CliRunner

from greenlight.exits import Exit
from greenlight.paths import CHECKOUT
from greenlight.sizes import LIMIT, Sizes, function_sizes, sizes
from tests.template.shipped import SAM
from tests.template.test_resources import FOLDERS

ELF_MACHINE = {"x86_64": 62, "arm64": 183}
NO_PYTHON = {"LAMBDA_PYTHON": ""}
ANY_PYTHON = {"LAMBDA_PYTHON": sys.executable}

pytestmark = pytest.mark.slow


def build(architecture: str, folder: Path, more: dict[str, str]) -> Path:
    environment = {**os.environ, "AWS_DEFAULT_REGION": "eu-central-1", "SAM_CLI_TELEMETRY": "0", **more}
    done = subprocess.run(
        [
            SAM / "sam",
            "build",
            "--parameter-overrides",
            f"Architecture={architecture}",
            "--build-dir",
            folder / "build",
        ],
        cwd=CHECKOUT,
        env=environment,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return folder / "build"


@pytest.fixture(scope="module", params=["arm64", "x86_64"])
def built(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[str, Path]:
    architecture = request.param
    folder = tmp_path_factory.mktemp(architecture)
    return architecture, build(architecture, folder, NO_PYTHON if architecture == "arm64" else ANY_PYTHON)


def test_every_function_fits_into_lambda_with_its_layers(built: tuple[str, Path]):
    found = function_sizes(built[1])
    assert set(found) == set(FOLDERS)
    for name, size in found.items():
        assert size.fits, f"{name}: {size}"
        assert size.code > 0
        assert size.layers["ModerationLayer"] > 5_000_000


def test_all_that_is_native_is_for_the_architecture(built: tuple[str, Path]):
    architecture, folder = built
    natives = [path for path in folder.rglob("*") if path.is_file() and head(path, 4) == b"\x7fELF"]
    assert {"ffmpeg", "onnxruntime_pybind11_state", "_pydantic_core", "zxingcpp", "_rust"} <= {
        part for path in natives for part in path.name.replace("-", ".").split(".")
    }
    for path in natives:
        assert int.from_bytes(head(path, 20)[18:20], "little") == ELF_MACHINE[architecture], path


def head(path: Path, count: int) -> bytes:
    with path.open("rb") as file:
        return file.read(count)


def test_ffmpeg_can_be_run(built: tuple[str, Path]):
    (ffmpeg,) = (built[1] / "FfmpegLayer/python/imageio_ffmpeg/binaries").glob("ffmpeg-linux-*")
    assert os.access(ffmpeg, os.X_OK)


def test_licences_go_with_what_is_shipped(built: tuple[str, Path]):
    for layer in ("InferenceLayer", "ModerationLayer", "FfmpegLayer"):
        for metadata in (built[1] / layer / "python").glob("*.dist-info/METADATA"):
            assert "License" in metadata.read_text(errors="replace")
    assert list((built[1] / "WeightsVisionLayer/weights/licences").iterdir())


def test_nothing_is_shipped_that_lambda_never_reads(built: tuple[str, Path]):
    python = built[1] / "InferenceLayer/python"
    for gone in ("onnxruntime/capi/libonnxruntime.so*", "onnxruntime/transformers", "google", "numpy/**/tests"):
        assert not list(python.glob(gone)), gone
    assert not list(built[1].rglob("direct_url.json"))
    assert not list(built[1].rglob("RECORD"))


def test_bytecode_is_shipped_where_python_can_make_it(built: tuple[str, Path]):
    architecture, folder = built
    compiled = list(folder.rglob("*.pyc"))
    if architecture == "arm64":
        assert not compiled  # built without Lambda's Python, and works all the same
        return
    package = [path for path in compiled if path.parent.parent == folder / "ModerationLayer/python/moderation"]
    assert package
    for path in package:
        unchecked_hash = b"\x01\x00\x00\x00"
        assert head(path, 8)[4:] == unchecked_hash, "else Lambda compiles anew, since times do not survive packaging"
        assert b"/opt/python/moderation/" in path.read_bytes()
        assert str(folder).encode() not in path.read_bytes()


def fake_build(folder: Path, code: int, layer: int) -> Path:
    (folder / "template.yaml").write_text(
        "Globals: {Function: {Layers: [!Ref Common]}}\n"
        "Resources:\n"
        "  One: {Type: 'AWS::Serverless::Function', Properties: {CodeUri: one}}\n"
        "  Common: {Type: 'AWS::Serverless::LayerVersion', Properties: {ContentUri: common}}\n"
    )
    for name, size in (("one", code), ("common", layer)):
        (folder / name).mkdir()
        with (folder / name / "file").open("wb") as file:
            file.truncate(size)
    return folder


@pytest.mark.parametrize(("code", "expected"), [(1000, 0), (1001, Exit.FAILED)])
def test_the_size_check_fails_one_byte_above_the_limit(tmp_path: Path, code: int, expected: int):
    # GIVEN a layer that leaves 1000 bytes for the function
    folder = fake_build(tmp_path, code=code, layer=LIMIT - 1000)
    app = Typer()
    app.command()(sizes)
    # WHEN it is checked
    result = CliRunner().invoke(app, [str(folder)])
    # THEN the exit code says whether Lambda takes it
    assert result.exit_code == expected
    assert "One" in result.output
    assert function_sizes(folder) == {"One": Sizes(code=code, layers={"Common": LIMIT - 1000})}


def test_the_size_check_says_when_nothing_was_built(tmp_path: Path):
    app = Typer()
    app.command()(sizes)
    result = CliRunner().invoke(app, [str(tmp_path)])
    assert result.exit_code == Exit.USAGE
    assert "make build" in result.output
