"""Sentences as vectors that lie near to each other where they mean alike, in sixteen languages.

The model is Google's universal sentence encoder, multilingual, version 3, with tables of bytes: each piece of a word
has a vector, three convolutions over two, three and five neighbours add to it, the sum is drawn through four layers.
"""

import json
import unicodedata
from collections.abc import Sequence
from functools import cache
from pathlib import Path

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float32]

WIDTH = 512
_START, _END, _UNKNOWN = 1, 2, 0
_TABLES = 17
_BRANCHES = ((2, 0), (3, 1), (5, 2))
"""Length of the window and how many of it stand before."""
_MOST_PIECES = 256
_SPACE = "\u2581"


class Encoder:
    """Turns texts into vectors of length 1. Threads share one."""

    def __init__(self, weights: Path) -> None:
        """`weights` is the folder of use.npz and use_pieces.json. Raises OSError where they are missing."""
        with np.load(weights / "use.npz", allow_pickle=False) as stored:
            values = {name: stored[name] for name in stored.files}
        tables = [values.pop(f"q{number + 1}") for number in range(_TABLES)]
        self._table = np.stack(tables, axis=1).reshape(-1, WIDTH)
        for name in ("proj", "proj_b", "ln_g", "ln_b"):
            branches = [values.pop(f"{name}{size}") for size, _ in _BRANCHES]
            values[f"{name}_all" if name.startswith("ln") else name] = np.concatenate(branches, axis=-1)
        self._values = values
        self._pieces = _Pieces(weights / "use_pieces.json")

    def encode(self, texts: Sequence[str]) -> Floats:
        """n x 512, each row of length 1. Of a very long text the beginning counts."""
        rows = np.zeros((len(texts), WIDTH), np.float32)
        for number, text in enumerate(texts):
            rows[number] = self._sentence(self._pieces.of(text)[: _MOST_PIECES - 2])
        return rows

    def _sentence(self, pieces: Sequence[int]) -> Floats:
        numbers = np.array([_START, *pieces, _END])
        values = self._values
        epsilon = float(values["eps"])
        own = self._table[numbers] * values["scale"][numbers % _TABLES, None] + values["lo"][numbers % _TABLES, None]
        parts = [own.astype(np.float32)]
        narrow = _standard(
            parts[0] @ values["proj"] + values["proj_b"], values["ln_g_all"], values["ln_b_all"], epsilon
        )
        for (size, before), state in zip(_BRANCHES, np.split(narrow, len(_BRANCHES), axis=1), strict=True):
            for layer in ("1", "2"):
                seen = _windows(state, size, before)
                state = state + np.maximum(seen @ values[f"w{layer}_{size}"] + values[f"b{layer}_{size}"], 0)
            parts.append(state)
        joined = _standard(np.concatenate(parts, axis=1), values["ln_g"], values["ln_b"], epsilon)
        total = joined.sum(axis=0) @ values["cnn_W"] + len(numbers) * values["cnn_b"]
        mean = total / np.sqrt(len(numbers), dtype=np.float32)
        first = np.maximum(mean @ values["d0"], 0)
        second = np.maximum(first @ values["d1"] + mean @ values["p1"], 0)
        third = np.maximum(second @ values["d2"], 0)
        drawn = np.tanh(third @ values["d3"] + second @ values["p3"])
        vector: Floats = (drawn / max(float(np.linalg.norm(drawn)), 1e-9)).astype(np.float32)
        return vector


@cache
def encoder(weights: Path) -> Encoder:
    """The encoder over these weights, made once per process."""
    return Encoder(weights)


def _standard(rows: Floats, gain: Floats, offset: Floats, epsilon: float) -> Floats:
    centred = rows - rows.mean(axis=1, keepdims=True)
    deviation = np.sqrt((centred**2).mean(axis=1, keepdims=True) + epsilon)
    scaled: Floats = centred / deviation * gain + offset
    return scaled


def _windows(rows: Floats, size: int, before: int) -> Floats:
    """Each row with its neighbours beside it, zeros where there are none."""
    padded = np.pad(rows, ((before, size - 1 - before), (0, 0)))
    return np.concatenate([padded[offset : offset + len(rows)] for offset in range(size)], axis=1)


class _Pieces:
    """Cuts a text into the pieces of words that are likeliest together (a unigram model, by Viterbi's way)."""

    def __init__(self, path: Path) -> None:
        listed = json.loads(path.read_bytes())
        self._scores = dict(
            zip(listed["pieces"], zip(listed["scores"], range(len(listed["pieces"])), strict=False), strict=True)
        )
        self._longest = max(map(len, self._scores))
        self._unknown = min(listed["scores"]) - 10.0

    def of(self, text: str) -> list[int]:
        """Numbers of pieces."""
        plain = " ".join(unicodedata.normalize("NFKC", text).split())[: 8 * _MOST_PIECES]
        return self._cut(_SPACE + plain.replace(" ", _SPACE)) if plain else [_UNKNOWN]

    def _cut(self, text: str) -> list[int]:
        best = [0.0] + [-np.inf] * len(text)
        came: list[tuple[int, int]] = [(0, _UNKNOWN)] * (len(text) + 1)
        for start in range(len(text)):
            reached = best[start]
            for end in range(start + 1, min(start + self._longest, len(text)) + 1):
                known = self._scores.get(text[start:end])
                if known is not None and reached + known[0] > best[end]:
                    best[end], came[end] = reached + known[0], (start, known[1])
            if reached + self._unknown > best[start + 1]:
                best[start + 1], came[start + 1] = reached + self._unknown, (start, _UNKNOWN)
        pieces: list[int] = []
        place = len(text)
        while place:
            place, piece = came[place]
            if not (piece == _UNKNOWN and pieces and pieces[-1] == _UNKNOWN):
                pieces.append(piece)
        return pieces[::-1]
