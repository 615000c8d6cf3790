"""Sound for tests: made here or spoken by a man of whom there is a recording, and heard as scan_audio hears it."""

import subprocess
import wave
from functools import cache
from io import BytesIO
from pathlib import Path

import numpy as np
import numpy.typing as npt

from greenlight.demo_clips import SPEECH
from greenlight.weights import ensure_weights
from moderation.detectors.speech import RATE
from moderation.media.ffmpeg import executable
from moderation.memory.clock import FixedClock
from moderation.memory.media_store import MemoryMediaStore
from moderation.memory.objects import FolderObjects
from moderation.models.plan import Plan
from moderation.models.sound import Hearing, TrackHearing
from moderation.models.template import Template
from moderation.services.hear import Listening
from moderation.services.ingest import new_job
from moderation.services.work import Work
from tests.builders import NOON, audio_plan, identity, waiting_media

Samples = npt.NDArray[np.float32]


def decoded(path: Path, seconds: float = 600) -> Samples:
    """A file as samples at 16 kHz."""
    options = ["-nostdin", "-v", "error", *(["-f", "g722"] if path.suffix == ".g722" else []), "-t", str(seconds)]
    command = [executable(), *options, "-i", f"file:{path}", "-ac", "1", "-ar", str(RATE), "-f", "s16le", "pipe:1"]
    levels = np.frombuffer(subprocess.run(command, capture_output=True, check=True).stdout, "<i2")
    return levels.astype(np.float32) / np.float32(32768)


@cache
def speech() -> Samples:
    """A sentence of eleven seconds in English, with pauses."""
    return decoded(SPEECH)


def silence(seconds: float) -> Samples:
    return np.zeros(round(seconds * RATE), np.float32)


def noise(seconds: float, *, pink: bool = False) -> Samples:
    """Noise at a tenth of full level, white or with a spectrum that falls off with the frequency."""
    white = np.random.default_rng(5).standard_normal(round(seconds * RATE)) * 0.1
    if pink:
        spectrum = np.fft.rfft(white)
        spectrum[1:] /= np.sqrt(np.arange(1, len(spectrum)))
        white = np.fft.irfft(spectrum, len(white)) * 10
    return white.astype(np.float32)


def cries(seconds: float) -> Samples:
    """Somebody who cries out without words, twice a second: a falling voice and three formants."""
    count = round(0.35 * RATE)
    voice = 2 * (np.cumsum(np.linspace(250, 150, count)) / RATE % 1) - 1
    hertz = np.fft.rfftfreq(count, 1 / RATE)
    mouth = sum(1 / (1 + ((hertz - formant) / (80 + formant / 20)) ** 2) for formant in (400, 2000, 2600))
    cry = np.fft.irfft(np.fft.rfft(voice) * mouth, count) * np.sqrt(np.hanning(count))
    again = np.concatenate([cry / np.abs(cry).max() / 2, np.zeros(RATE // 4)])
    return np.resize(again, round(seconds * RATE)).astype(np.float32)


def wav(samples: Samples, rate: int = RATE) -> bytes:
    """As the extract step leaves it."""
    stored = BytesIO()
    with wave.open(stored, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(rate)
        file.writeframes((np.clip(samples, -1, 1) * 32767).astype("<i2").tobytes())
    return stored.getvalue()


class Studio:
    """A job over sound alone, and the use case that listens to it."""

    def __init__(self, folder: Path, template: Template, plan: Plan, weights: Path | None = None) -> None:
        media = waiting_media()
        store = MemoryMediaStore()
        folder.mkdir(exist_ok=True)
        self.objects = FolderObjects(folder)
        job = new_job(media, identity(), template, "upload", FixedClock(NOON))
        store.add_media(media)
        store.save(media, new_job=job)
        self.job_id = job.job_id
        self.work = Work(job.media_id, job.job_id)
        self.objects.put(self.work.plan, plan.model_dump_json().encode(), "application/json")
        self.listening = Listening(store, self.objects, weights or ensure_weights())

    def record(self, index: int, track: int, content: bytes) -> None:
        """Leave the sound of one track of a segment."""
        self.objects.put(self.work.sound(index, track), content, "audio/wav")

    def hear(self, index: int = 0) -> Hearing:
        """Listen to a segment."""
        return self.listening.segment(self.job_id, index)


def heard(folder: Path, samples: Samples, template: Template) -> TrackHearing:
    """What is heard in a sound of one segment."""
    studio = Studio(folder, template, audio_plan(seconds=len(samples) / RATE))
    studio.record(0, 0, wav(samples))
    (track,) = studio.hear().tracks
    return track
