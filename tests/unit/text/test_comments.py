"""Comments of a live stream, through the one judge of all texts: judged as titles are, by the same template."""

from moderation.models.reading import JudgedText, Reading, Text
from moderation.models.template import Form
from moderation.reading import text_segments
from moderation.services.templates import load_template
from moderation.text.judge import Judge

COMMENTS = {
    "主播唱得真好听": None,
    "What song is this? Love it": None,
    "加薇❤ abc12345 领福利": "ad",
    "你个煞笔滚出去": "abuse",
    "f u c k you streamer": "abuse",
    "主 播 上 裸 聊": "porn",
}


def test_comments_are_judged_as_they_come(judge: Judge) -> None:
    template = load_template("standard")
    texts = [Text(form=Form.TITLE, text=comment) for comment in COMMENTS]
    for text, findings in zip(texts, judge.judge_all(texts), strict=True):
        reading = Reading(texts=(JudgedText(text=text, findings=tuple(findings)),), detectors={})
        labels = {segment.label for segment in text_segments(reading, template)}
        expected = COMMENTS[text.text]
        assert labels == set() if expected is None else expected in labels, text.text
