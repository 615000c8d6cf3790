"""What is said and what is shown in writing, as WebVTT: captions that players and editors read. Pure."""

from collections.abc import Callable, Iterable

from moderation.models.reading import Reading, Text
from moderation.models.template import Form

_SHORTEST = 0.001
"""A cue must end after it begins, by the smallest step that a timestamp can tell."""


def transcript(reading: Reading) -> str:
    """All utterances in order of time, empty where nobody speaks. Of several tracks, each names its own (`<v 2>`)."""
    said = [judged.text for judged in reading.texts if judged.text.form is Form.ASR]
    several = len({text.track for text in said}) > 1
    return _document(said, lambda text: f"<v {text.track}>" if several else "")


def shown_texts(reading: Reading) -> str:
    """All lines that pictures of the video show, in order of time, empty where there is none. Covers have no time."""
    return _document((judged.text for judged in reading.texts if judged.text.form is Form.OCR), lambda text: "")


def timestamp(seconds: float) -> str:
    """Seconds as hh:mm:ss.ttt."""
    milliseconds = max(0, round(seconds * 1000))
    minutes, rest = divmod(milliseconds, 60_000)
    return f"{minutes // 60:02d}:{minutes % 60:02d}:{rest // 1000:02d}.{rest % 1000:03d}"


def _document(texts: Iterable[Text], voice: Callable[[Text], str]) -> str:
    cues = []
    for text in sorted(texts, key=lambda text: (text.start, text.end, text.track, text.text)):
        if text.text.strip():
            end = max(text.end, text.start + _SHORTEST)
            cues.append(f"{timestamp(text.start)} --> {timestamp(end)}\n{voice(text)}{_payload(text)}\n")
    return "\n".join(["WEBVTT\n", *cues]) if cues else ""


def _payload(text: Text) -> str:
    """On one line, since an empty one would end the cue, and with nothing in it that is markup or an arrow."""
    return " ".join(text.text.split()).replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")
