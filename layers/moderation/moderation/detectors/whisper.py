"""Whisper base: speech of 99 languages."""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import ClassVar

import numpy as np

from moderation.detectors.inference import Floats, Network
from moderation.detectors.speech import HOP, LONGEST, QUIET, RATE, Piece, likelihoods, looped, loudness, utterances
from moderation.models.sound import Utterance

_FRAME, _STEP, _BANDS = 400, 160, 80
_FRAMES = round(LONGEST * RATE) // _STEP
_PLACES = RATE // HOP
"""The encoder tells so many places of a second apart."""
_LOUDEST, _FAINTEST = 0.5, 0.005
"""Sound is made so loud, where it is not fainter than that: the network was not trained to hear whispers."""
_LAYERS, _HEADS, _WIDTH = 6, 8, 64
_TEXT, _START, _TRANSCRIBE, _EARLIER, _UNTIMED = 50257, 50258, 50359, 50361, 50363
"""Tokens: below the first is text, which that one ends. Above the last are times, which are not asked for: the heads
that follow the sound tell them better."""
_MOST_TOKENS, _TOKENS_PER_SECOND, _SPARE_TOKENS = 220, 12, 8
_UNLIKELY, _DOUBTFUL, _UNCLEAR = 0.3, 0.5, 0.6
"""Words less likely than the first are invented; less likely than the second too, where the language is less certain
than the third. Of the development clips that were tried, all noise and music is below and all speech above."""
_SHORT, _GUESSED = 5.0, 0.35
"""In so few seconds words are dropped, too, where their likelihood times the certainty of the language is below the
second: grunts and cries become words of some language then."""
_DIVISIBLE = 16.0
"""Doubtful words of clear speech of more seconds may be of two languages: it is divided."""
_LEFT_OUT = 2.0
"""Whisper may stop early or leave something out, at a pause, where another language begins or where the same is said
again. Where more seconds sound without a word, it listens again from there."""

_OPENINGS = {"zh": "以下是普通话的句子。"}
"""What is taken to have been said before. After this sentence Chinese comes with simplified characters and punctuation:
of the development clips 5 % of the characters are wrong instead of 19 %."""


class Whisper:
    """Writes the likeliest token each time. Each word's time is taken from where the network listened for it."""

    name: ClassVar[str] = "whisper"
    version: ClassVar[str] = "2"
    models: ClassVar[tuple[str, ...]] = ("whisper_encoder", "whisper_decoder", "whisper_tokens")

    def __init__(self, weights: Path) -> None:
        self._encoder = Network(weights, "whisper_encoder")
        self._decoder = Network(weights, "whisper_decoder")
        self._tokens = weights / "whisper_tokens.json"

    def transcribe(self, samples: Floats, language: str = "") -> list[Utterance]:
        """See `speech.Recogniser`. A language that Whisper does not know counts as not given."""
        seconds = len(samples) / RATE
        if seconds > LONGEST:
            raise ValueError(f"{seconds:.1f} s of sound at once")
        gain = _LOUDEST / max(np.abs(samples).max(initial=0), _FAINTEST)
        return self._listen(samples * np.float32(gain), 0.0, language)

    def _listen(self, samples: Floats, start: float, language: str) -> list[Utterance]:
        """What is said in samples that begin at second `start`."""
        seconds = len(samples) / RATE
        tokens = _read_tokens(self._tokens)
        code, certainty, written = self._written(samples, tokens, language)
        likely = np.exp(np.mean([row.likelihood for row in written])) if written else 0
        if likely < _DOUBTFUL and certainty >= _UNCLEAR and seconds > _DIVISIBLE:
            middle = _quietest(samples)
            later = self._listen(samples[middle:], start + middle / RATE, language)
            return [*self._listen(samples[:middle], start, language), *later]
        guessed = seconds < _SHORT and likely * certainty < _GUESSED
        if guessed or likely < (_DOUBTFUL if certainty < _UNCLEAR else _UNLIKELY):
            return []
        places = np.stack([row.heard for row in written])[:, : max(len(written), round(seconds * _PLACES))]
        begins = _starts(places)
        sounding = loudness(samples) > QUIET * loudness(samples).max()
        begins[0] = min([int(sounding.argmax()), *begins[1:2]])
        pieces = [
            Piece(tokens.pieces[row.token], start + place / _PLACES, row.likelihood)
            for row, place in zip(written, begins, strict=True)
        ]
        found = utterances(pieces, start + seconds, code)
        words = [word for utterance in found for word in utterance.words]
        for word, begins_next in zip(words, [*(word.start for word in words[1:]), start + seconds], strict=True):
            place, following = (round((second - start) * _PLACES) for second in (word.end, begins_next))
            if place > _PLACES // 2 and np.sum(sounding[place:following]) > _LEFT_OUT * _PLACES:
                kept = utterances([piece for piece in pieces if piece.start <= word.end], word.end, code)
                return [*kept, *self._listen(samples[place * HOP :], word.end, language)]
        return found

    def _written(self, samples: Floats, tokens: "_Tokens", language: str) -> tuple[str, float, list["_Row"]]:
        """The language, how likely it is that one at all, and the tokens."""
        names = [f"cross_{kind}_{layer}" for layer in range(_LAYERS) for kind in ("key", "value")]
        heard = dict(zip(names, self._encoder.run(names, log_mel(samples)[np.newaxis]), strict=True))
        writing = _Writing(self._decoder, heard)
        first, _ = writing.after(_START)
        certainty = np.exp(likelihoods(first[list(tokens.languages.values())]).max())
        code = (
            language
            if language in tokens.languages
            else max(tokens.languages, key=lambda code: first[tokens.languages[code]])
        )
        if code in tokens.openings:
            writing = _Writing(self._decoder, heard)
            for token in (_EARLIER, *tokens.openings[code], _START):
                writing.after(token)
        for token in (tokens.languages[code], _TRANSCRIBE):
            writing.after(token)
        most = min(_MOST_TOKENS, int(len(samples) / RATE * _TOKENS_PER_SECOND) + _SPARE_TOKENS)
        return code, float(certainty), _write(writing, tokens, most)


@dataclass(frozen=True)
class _Tokens:
    pieces: list[bytes]
    languages: dict[str, int]
    never: list[int]
    not_first: list[int]
    openings: dict[str, list[int]]


@dataclass(frozen=True)
class _Row:
    token: int
    likelihood: float
    heard: Floats


class _Writing:
    """The decoder at work on one piece of sound."""

    def __init__(self, decoder: Network, heard: Mapping[str, Floats]) -> None:
        self._decoder, self._heard = decoder, heard
        self._names = [f"{kind}_{layer}" for layer in range(_LAYERS) for kind in ("key", "value")]
        self._past = {name: np.zeros((1, _HEADS, 0, _WIDTH), np.float32) for name in self._names}
        self._position = 0

    def after(self, token: int) -> tuple[Floats, Floats]:
        """What comes next: a number for every token, and 1500 weights that say where it was heard."""
        given = {"token": np.array([token]), "position": np.array([self._position])}
        names = ["logits", "heard", *(f"next_{name}" for name in self._names)]
        logits, heard, *past = self._decoder.run(names, {**given, **self._heard, **self._past})
        self._past = dict(zip(self._names, past, strict=True))
        self._position += 1
        return logits[0], heard[0]


def log_mel(samples: Floats) -> Floats:
    """80 x 3000: the logarithm of the power in each mel band, 25 ms every 10 ms, of 30 s filled up with silence."""
    padded = np.zeros(_FRAMES * _STEP + _FRAME, np.float32)
    padded[_FRAME // 2 : _FRAME // 2 + len(samples)] = samples
    # What lies before and behind is the sound mirrored, as in training.
    padded[: _FRAME // 2] = padded[_FRAME : _FRAME // 2 : -1]
    padded[-_FRAME // 2 :] = padded[-_FRAME // 2 - 2 : -_FRAME - 2 : -1]
    frames = np.lib.stride_tricks.sliding_window_view(padded, _FRAME)[: _FRAMES * _STEP : _STEP] * _hann()
    spectrum = np.fft.rfft(frames)
    power = spectrum.real**2 + spectrum.imag**2
    levels = np.log10(np.maximum(_bands() @ power.T.astype(np.float32), 1e-10))
    result: Floats = (np.maximum(levels, levels.max() - 8) + 4) / 4
    return result


def _quietest(samples: Floats) -> int:
    """The sample in the middle third around which least is heard."""
    smooth = np.convolve(loudness(samples), np.ones(15), "same")
    third = len(smooth) // 3
    return (third + int(smooth[third : 2 * third].argmin())) * HOP


def _write(writing: _Writing, tokens: _Tokens, most: int) -> list[_Row]:
    rows: list[_Row] = []
    token = _UNTIMED
    while len(rows) < most:
        logits, heard = writing.after(token)
        logits[_UNTIMED:] = -np.inf
        logits[tokens.never] = -np.inf
        if not rows:
            logits[tokens.not_first] = -np.inf
        token = int(logits.argmax())
        if token == _TEXT:
            break
        rows.append(_Row(token, float(likelihoods(logits)[token]), heard))
        drop = looped([row.token for row in rows])
        if drop:
            return rows[:-drop]
    return rows


def _starts(heard: Floats) -> list[int]:
    """The place at which each token (a row) begins, so that all come in their order and match what was heard best."""
    # Some places draw every token's attention: what counts is who takes more of it than the others.
    match = (heard - heard.mean(axis=0)) / (heard.std(axis=0) + 1e-6)
    tokens, places = match.shape
    best = np.full(tokens, -np.inf)
    best[0] = match[0, 0]
    begins = np.zeros((places, tokens), bool)
    for place in range(1, places):
        before = np.concatenate(([-np.inf], best[:-1]))
        begins[place] = before > best
        best = np.maximum(before, best) + match[:, place]
    starts, token = [0] * tokens, tokens - 1
    for place in range(places - 1, 0, -1):
        if begins[place, token]:
            starts[token] = place
            token -= 1
    return starts


@cache
def _read_tokens(path: Path) -> _Tokens:
    known = json.loads(path.read_bytes())
    letters = _letters()
    pieces = [bytes(letters[sign] for sign in piece if sign in letters) for piece in known["pieces"]]
    openings = {code: _split(sentence.encode(), pieces[:_TEXT]) for code, sentence in _OPENINGS.items()}
    return _Tokens(pieces, known["languages"], known["suppressed"], known["suppressed_first"], openings)


def _split(text: bytes, pieces: list[bytes]) -> list[int]:
    """Tokens that make up the text, each the longest that fits."""
    numbers = {piece: number for number, piece in enumerate(pieces)}
    tokens: list[int] = []
    while text:
        length = next(length for length in range(len(text), 0, -1) if text[:length] in numbers)
        tokens.append(numbers[text[:length]])
        text = text[length:]
    return tokens


def _letters() -> dict[str, int]:
    """The byte that each letter of GPT-2's alphabet stands for: what can be printed for itself, others from 256 on."""
    plain = [*range(ord("!"), ord("~") + 1), *range(ord("¡"), ord("¬") + 1), *range(ord("®"), ord("ÿ") + 1)]
    others = [byte for byte in range(256) if byte not in plain]
    return {chr(byte): byte for byte in plain} | {chr(256 + index): byte for index, byte in enumerate(others)}


@cache
def _hann() -> Floats:
    """A periodic Hann window."""
    return (0.5 - 0.5 * np.cos(2 * np.pi * np.arange(_FRAME) / _FRAME)).astype(np.float32)


@cache
def _bands() -> Floats:
    """80 x 201: triangles of equal area on Slaney's mel scale, 0..8000 Hz."""
    low = 200 / 3
    highest = 15 + np.log(8) * 27 / np.log(6.4)
    mels = np.linspace(0, highest, _BANDS + 2)
    edges = np.where(mels < 15, mels * low, 1000 * np.exp((mels - 15) * np.log(6.4) / 27))
    lowest, middle, top = (edges[index : index + _BANDS, np.newaxis] for index in range(3))
    bins = np.fft.rfftfreq(_FRAME, 1 / RATE)
    rising, falling = (bins - lowest) / (middle - lowest), (top - bins) / (top - middle)
    bands: Floats = (np.maximum(0, np.minimum(rising, falling)) * 2 / (top - lowest)).astype(np.float32)
    return bands
