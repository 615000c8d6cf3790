"""Captions as players read them."""

import pytest

from moderation.models.reading import JudgedText, Reading, Text
from moderation.models.template import Form
from moderation.vtt import shown_texts, timestamp, transcript


def reading(*texts: Text) -> Reading:
    return Reading(texts=tuple(JudgedText(text=text) for text in texts), detectors={})


def said(text: str, start: float, end: float, track: int = 1) -> Text:
    return Text(form=Form.ASR, text=text, start=start, end=end, track=track)


def test_a_transcript_is_in_order_of_time_and_holds_speech_alone() -> None:
    given = reading(
        said("and then", 61.5, 63.0),
        Text(form=Form.TITLE, text="a title"),
        Text(form=Form.OCR, text="on a wall", start=1.0, end=2.0),
        said("hello", 0.25, 1.0),
    )
    assert transcript(given) == (
        "WEBVTT\n\n00:00:00.250 --> 00:00:01.000\nhello\n\n00:01:01.500 --> 00:01:03.000\nand then\n"
    )
    assert shown_texts(given) == "WEBVTT\n\n00:00:01.000 --> 00:00:02.000\non a wall\n"


def test_nothing_said_is_no_document() -> None:
    assert transcript(reading(Text(form=Form.TITLE, text="a title"), said("  ", 0, 1))) == ""
    assert shown_texts(reading()) == ""


def test_of_several_tracks_each_names_its_own() -> None:
    document = transcript(reading(said("hello", 0, 1), said("hallo", 0, 1, track=2)))
    assert [line for line in document.splitlines() if line.startswith("<v")] == ["<v 1>hello", "<v 2>hallo"]


@pytest.mark.parametrize(
    ("text", "payload"),
    [
        ("1 < 2 & 3", "1 &lt; 2 &amp; 3"),
        ("<script>alert()</script>", "&lt;script&gt;alert()&lt;/script&gt;"),
        ("first\n\n00:00:05.000 --> 00:00:09.000\nforged", "first 00:00:05.000 --&gt; 00:00:09.000 forged"),
    ],
)
def test_no_text_breaks_out_of_its_cue(text: str, payload: str) -> None:
    document = transcript(reading(said(text, 0, 1)))
    assert document.splitlines()[3:] == [payload]
    assert document.count("-->") == 1


def test_a_cue_ends_after_it_begins() -> None:
    assert "00:00:02.000 --> 00:00:02.001" in transcript(reading(said("now", 2.0, 2.0)))


@pytest.mark.parametrize(
    ("seconds", "told"),
    [(0.0, "00:00:00.000"), (-0.1, "00:00:00.000"), (59.9996, "00:01:00.000"), (21_600.5, "06:00:00.500")],
)
def test_timestamps(seconds: float, told: str) -> None:
    assert timestamp(seconds) == told
