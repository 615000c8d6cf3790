"""Moonshine tiny: English speech, at half the cost of Whisper."""

import re
from collections.abc import Iterator
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from moderation.detectors.inference import Array, Floats, Network
from moderation.detectors.speech import HOP, LONGEST, QUIET, RATE, Piece, likelihoods, looped, loudness, utterances
from moderation.models.sound import Utterance

_SHORTEST, _EARLY, _LATE = 3, 8, 20
"""Seconds. A part lasts at least the first, and is cut between the others where no pause ends it: in shorter ones words
are nearer to their time, but more of them are wrong."""
_PAUSE = 0.5
_LEAST = RATE // 4
"""Samples; what is shorter is filled up with silence."""
_SMOOTH = 5
"""Measures of loudness over which pauses are looked for."""
_LAYERS, _HEADS, _WIDTH = 6, 8, 36
_BEGIN, _END = 1, 2
_TOKENS_PER_SECOND, _SPARE_TOKENS = 7, 6
_SPACE = "▁".encode()
_UNLIKELY = 0.5
"""Less likely words are not what was said: of the development clips, all other languages and nearly all noise."""
_INVENTED = frozenset(("you", "thank you for watching"))
_FOREIGN = re.compile("[©]|[^\0-\u024f‐-„…]")
"""What it writes of silence, music and games: notes and letters of other alphabets among others."""


class Moonshine:
    """Writes the likeliest token each time, in parts that end in a pause. Words are spread over what sounds in a part.

    It knows English only. Of what is said in another language it writes nothing, or rarely a few English words.
    """

    name: ClassVar[str] = "moonshine"
    version: ClassVar[str] = "1"
    models: ClassVar[tuple[str, ...]] = ("moonshine_encoder", "moonshine_decoder", "moonshine_tokens")

    def __init__(self, weights: Path) -> None:
        self._encoder = Network(weights, "moonshine_encoder", ".ort")
        self._decoder = Network(weights, "moonshine_decoder", ".ort")
        self._tokens = weights / "moonshine_tokens.bin"

    def transcribe(self, samples: Floats, language: str = "en") -> list[Utterance]:
        """See `speech.Recogniser`. Every language is taken for English."""
        seconds = len(samples) / RATE
        if seconds > LONGEST:
            raise ValueError(f"{seconds:.1f} s of sound at once")
        pieces: list[Piece] = []
        start = 0
        for end in _ends(samples):
            pieces += self._pieces(samples[start:end], start / RATE)
            start = end
        return utterances(pieces, seconds, "en")

    def _pieces(self, part: Floats, start: float) -> list[Piece]:
        written = self._write(np.pad(part, (0, max(0, _LEAST - len(part)))))
        if not written or np.exp(np.mean([likelihood for _, likelihood in written])) < _UNLIKELY:
            return []
        contents = [_read_tokens(self._tokens)[token].replace(_SPACE, b" ") for token, _ in written]
        text = b"".join(contents).decode("utf-8", "ignore")
        if _FOREIGN.search(text) or text.strip(" .!").lower() in _INVENTED:
            return []
        # Words take time by their length, and none in pauses.
        loud = loudness(part)
        sounding = np.cumsum(loud > QUIET * loud.max())
        before = np.cumsum([0, *(len(content) for content in contents)])
        places = np.interp(before[:-1] / before[-1] * sounding[-1], sounding, np.arange(len(sounding)))
        return [
            Piece(content, start + place * HOP / RATE, likelihood)
            for content, place, (_, likelihood) in zip(contents, places, written, strict=True)
        ]

    def _write(self, part: Floats) -> list[tuple[int, float]]:
        """Tokens with the logarithm of their probability."""
        length = {"attention_mask": np.ones((1, len(part)), np.int64)}
        (heard,) = self._encoder.run(["last_hidden_state"], {"input_values": part[np.newaxis], **length})
        given: dict[str, Array] = {
            "encoder_hidden_states": heard,
            "encoder_attention_mask": length["attention_mask"],
        }
        empty = np.zeros((1, _HEADS, 0, _WIDTH), np.float32)
        names = [
            f"{layer}.{side}.{kind}"
            for side in ("decoder", "encoder")
            for layer in range(_LAYERS)
            for kind in ("key", "value")
        ]
        past = dict.fromkeys(names, empty)
        written: list[tuple[int, float]] = []
        token = _BEGIN
        for step in range(int(len(part) / RATE * _TOKENS_PER_SECOND) + _SPARE_TOKENS):
            # What the encoder's side gives stays as the first step left it.
            wanted = names[: len(names) // 2] if step else names
            logits, *present = self._decoder.run(
                ["logits", *(f"present.{name}" for name in wanted)],
                {
                    "input_ids": np.array([[token]]),
                    "use_cache_branch": np.array([step > 0]),
                    **given,
                    **{f"past_key_values.{name}": numbers for name, numbers in past.items()},
                },
            )
            past |= dict(zip(wanted, present, strict=True))
            token = int(logits[0, -1].argmax())
            if token == _END:
                break
            written.append((token, float(likelihoods(logits[0, -1])[token])))
            if drop := looped([token for token, _ in written]):
                return written[:-drop]
        return written


def _ends(samples: Floats) -> Iterator[int]:
    """Where parts end: in pauses, and where none comes soon enough, at the quietest moment."""
    loud = loudness(samples)
    smooth = np.convolve(loud, np.ones(_SMOOTH) / _SMOOTH, "same") if len(loud) else loud
    edges = np.flatnonzero(np.diff(smooth < QUIET * loud.max(initial=0), prepend=False, append=False))
    pauses = [(begin + end) // 2 for begin, end in edges.reshape(-1, 2) if end - begin >= _PAUSE * RATE / HOP]
    shortest, early, late = (round(seconds * RATE / HOP) for seconds in (_SHORTEST, _EARLY, _LATE))
    start = 0
    for pause in [*pauses, len(loud)]:
        while pause - start > late:
            start += early + int(smooth[start + early : start + late].argmin())
            yield start * HOP
        if pause - start >= shortest and pause < len(loud):
            start = int(pause)
            yield start * HOP
    if len(samples):
        yield len(samples)


@cache
def _read_tokens(path: Path) -> list[bytes]:
    """The tokens of a file in which each comes behind its length, in seven bits a byte."""
    content = path.read_bytes()
    tokens, place = [], 0
    while place < len(content):
        length, place = content[place], place + 1
        if length >= 128:
            length, place = length - 128 + 128 * content[place], place + 1
        tokens.append(content[place : place + length])
        place += length
    return tokens
