"""WebVTT as people are shown it."""

from greenlight.captions import cues
from moderation.models.reading import JudgedText, Reading, Text
from moderation.models.template import Form
from moderation.vtt import transcript


def test_what_several_tracks_say_names_its_track_in_words() -> None:
    said = [
        JudgedText(text=Text(form=Form.ASR, text=text, start=1.0, end=3723.5, track=track))
        for track, text in ((1, "hello"), (2, "<v 1>hallo & so"))
    ]
    assert list(cues(transcript(Reading(texts=tuple(said), detectors={})))) == [
        (1.0, 3723.5, "track 1: hello"),
        (1.0, 3723.5, "track 2: <v 1>hallo & so"),
    ]
    assert list(cues(transcript(Reading(texts=tuple(said[:1]), detectors={})))) == [(1.0, 3723.5, "hello")]
