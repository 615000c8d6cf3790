"""Real models on pictures from a film, made once per session."""

import subprocess
from collections.abc import Callable, Mapping
from io import BytesIO
from pathlib import Path

import iscc_samples
import pytest
from PIL import Image

from greenlight.weights import ensure_weights
from moderation.detectors.base import Frame
from moderation.detectors.catalog import CATALOG, DetectorSpec
from moderation.media.ffmpeg import executable
from moderation.models.template import Form

Files = Mapping[str, bytes]
MakeFrame = Callable[..., Frame]

ON_FRAMES = tuple(spec for spec in CATALOG if spec.step == "frames" and not spec.follows and not spec.owned)
FOLLOWING = tuple(spec for spec in CATALOG if spec.follows)


def jpeg(picture: Image.Image, quality: int = 95) -> bytes:
    file = BytesIO()
    picture.save(file, "JPEG", quality=quality)
    return file.getvalue()


def opened(data: bytes) -> Image.Image:
    return Image.open(BytesIO(data)).convert("RGB")


def files(picture: Image.Image) -> Files:
    """A picture at both sizes, as the extract step leaves it."""
    small = picture.resize((picture.width * 256 // min(picture.size), picture.height * 256 // min(picture.size)))
    return {"classify": jpeg(small), "detail": jpeg(picture)}


def at_its_size(spec: DetectorSpec, picture: Image.Image) -> Files:
    """A picture at no more sizes than a detector asks for."""
    return {size.name: files(picture)[size.name] for size in (spec.size, *spec.also) if size}


@pytest.fixture(scope="session")
def weights() -> Path:
    return ensure_weights()


@pytest.fixture(scope="session")
def photos(tmp_path_factory: pytest.TempPathFactory) -> list[Image.Image]:
    """Four different scenes of a film, 640 x 524."""
    film = next(path for path in iscc_samples.videos() if path.name == "demo.mp4")
    folder = tmp_path_factory.mktemp("photos")
    every = ["-vf", "fps=1/12,scale=640:524", "-frames:v", "4", str(folder / "%d.png")]
    subprocess.run([executable(), "-v", "error", "-i", str(film), *every], check=True)
    return [Image.open(path).convert("RGB") for path in sorted(folder.iterdir())]


@pytest.fixture
def frame(weights: Path) -> MakeFrame:
    def make(picture: Image.Image, form: Form = Form.IMAGE) -> Frame:
        return Frame(files(picture), weights, form)

    return make
