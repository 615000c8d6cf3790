"""What is heard besides words: moaning, shots, explosions, screams, crying.

Moaning of pleasure and of pain sound alike to the network, and so they do here: see docs/models/voice.md.
"""

from collections.abc import Sequence

import numpy as np

from moderation.detectors.inference import Floats
from moderation.detectors.speech import RATE
from moderation.detectors.vad import FRAME, Stretch
from moderation.detectors.yamnet import HOP, WINDOW
from moderation.models.observation import Observation
from moderation.models.sound import SoundEvent
from moderation.models.template import Form

NAME = "voice"

_WHIMPER, _MOAN, _SIGH, _GROAN, _GRUNT, _GASP, _PANT = 21, 22, 23, 33, 34, 39, 40
_MOANING = (_WHIMPER, _MOAN, _SIGH, _GROAN, _GRUNT, _GASP, _PANT)
_SPEECH, _SCREAM, _LAUGHTER, _CRYING, _BABY = 0, 11, 13, 19, 20
_SNORING, _SNEEZE, _ANIMAL = 38, 44, 67
_THROAT = (51, 53)
"""Gargling and burping, which what chokes is taken for."""
_INSTEAD = (_CRYING, _BABY, _SNORING, _SNEEZE, _ANIMAL)
"""What sounds like moaning and is heard as that, too, where it is this; laughter does by half."""
_SONG = (24, 27, 29, 31)
"""Singing, chant, a child's singing, rap."""
_EXPLOSION, _SHOTS = 420, (421, 422, 423, 424)

_AGAINST, _DOUBT = 0.54, 0.016
"""How much what else it may be counts, and what is added to it: ordinary speech and films stay below a half."""
_WORDLESS, _WORDS_AT_LEAST, _CHOKING = 0.07, 0.1, 0.3
"""What a voice without words counts as moaning, and as words all the same, as Silero hears none through a radio; what
the throat counts as moaning."""
_LASTING = 5
"""Windows, 2.9 s of sound: what moans or cries does so for a while, a sneeze or a cough does not."""
_FAINTEST = 0.1
_LONG, _WORDS = 2.0, 0.3


def events(kinds: Floats, speech: Floats, seconds: float) -> list[SoundEvent]:
    """What is heard in a sound of so many seconds, of what `YamNet.run` and `Silero.run` say of it.

    Each event is one window of 0.96 s with all that scores 0.1 and more; moaning and crying are judged over three
    seconds around it. Times count from the first sample.
    """
    if not len(kinds):
        return []
    scores = judged(kinds, speech)
    found = []
    for number in np.flatnonzero(np.any([values >= _FAINTEST for values in scores.values()], axis=0)):
        start = float(number) * HOP
        observations = tuple(
            Observation(
                detector=NAME,
                form=Form.VOICE,
                label=label,
                sub_label=sub_label,
                score=min(1.0, round(float(values[number]), 4)),
            )
            for (label, sub_label), values in scores.items()
            if values[number] >= _FAINTEST
        )
        end = min(start + WINDOW, seconds)
        found.append(SoundEvent(start=round(start, 3), end=round(end, 3), observations=observations))
    return found


def spoken(pieces: Sequence[Stretch], kinds: Floats) -> list[Stretch]:
    """The stretches that are speech to YAMNet as well, or long.

    Recognisers find words in every grunt and groan, which to Silero alone are often speech.
    """
    words = np.maximum(kinds[:, _SPEECH], kinds[:, _SONG].max(axis=1))

    def is_speech(piece: Stretch) -> bool:
        first = max(0, round(piece.start / RATE / HOP) - 1)
        return piece.end - piece.start > _LONG * RATE or bool(
            words[first : round(piece.end / RATE / HOP) + 1].max() > _WORDS
        )

    return [piece for piece in pieces if is_speech(piece)]


def judged(kinds: Floats, speech: Floats) -> dict[tuple[str, str], Floats]:
    """(label, sub_label) → its score in each window, of the probabilities of the 521 kinds and of speech."""
    crying = np.maximum(kinds[:, _CRYING], kinds[:, _BABY])
    return {
        ("porn", "moan"): _moaning(kinds, _by_window(speech, len(kinds))),
        ("terror", "gunshot"): kinds[:, _SHOTS].max(axis=1),
        ("terror", "explosion"): kinds[:, _EXPLOSION],
        ("terror", "scream"): kinds[:, _SCREAM],
        ("undesirable", "crying"): _around(crying),
    }


def _moaning(kinds: Floats, speech: Floats) -> Floats:
    """How much of what is heard for some seconds is moaning, against what else it may be.

    Words are where both networks hear speech: each by itself takes many a groan for a word.
    """
    voice = kinds[:, _SPEECH]
    moaning = kinds[:, _MOANING].sum(axis=1) + kinds[:, _SCREAM] + _WORDLESS * voice * (1 - speech)
    moaning += _CHOKING * kinds[:, _THROAT].sum(axis=1)
    words = voice * (_WORDS_AT_LEAST + (1 - _WORDS_AT_LEAST) * speech)
    instead = _AGAINST * np.max([kinds[:, _INSTEAD].max(axis=1), kinds[:, _LAUGHTER] / 2, words], axis=0)
    moaning, instead = _around(moaning), _around(instead)
    share: Floats = moaning / (moaning + instead + _DOUBT)
    return share


def _around(values: Floats) -> Floats:
    """The mean of each window and those around it, as far as there are any."""
    reach = np.ones(_LASTING, np.float32)
    whole = slice(_LASTING // 2, _LASTING // 2 + len(values))
    sums, counts = np.convolve(values, reach), np.convolve(np.ones_like(values), reach)
    mean: Floats = sums[whole] / counts[whole]
    return mean


def _by_window(speech: Floats, windows: int) -> Floats:
    """The mean probability of speech in each window."""
    sums = np.concatenate([[0.0], np.cumsum(speech, dtype=np.float64)])
    starts = np.minimum((np.arange(windows) * HOP * RATE / FRAME).astype(int), len(speech) - 1)
    ends = np.minimum(starts + round(WINDOW * RATE / FRAME), len(speech))
    means: Floats = ((sums[ends] - sums[starts]) / (ends - starts)).astype(np.float32)
    return means
