"""Lines of text through time: what is one text, from when to when, and as what it is read."""

import pytest

from moderation.captions import texts_of
from moderation.models.observation import Box, FrameLook, Observation, Scan
from moderation.models.reading import Text
from moderation.models.template import Form

HEADLINE = Box(left=0.1, top=0.8, width=0.5, height=0.05)
LOGO = Box(left=0.8, top=0.05, width=0.1, height=0.05)
BAND = Box(left=0.0, top=0.95, width=1.0, height=0.04)


def line(text: str, box: Box = HEADLINE, score: float = 0.9, form: Form = Form.OCR) -> Observation:
    return Observation(detector="ocr", form=form, label="text", sub_label="line", score=score, box=box, text=text)


def look(time: float, *lines: Observation, **more: object) -> FrameLook:
    found: dict[str, object] = {"ordinal": round(time * 10), "time": time, "observations": lines}
    return FrameLook.model_validate(found | more)


def scan(*looks: FrameLook, index: int = 0) -> Scan:
    return Scan(
        index=index, looks=looks, detectors={"ocr": "1"}, planned=len(looks), decoded=len(looks), expected=len(looks)
    )


def read(*looks: FrameLook) -> list[Text]:
    return texts_of([scan(*looks)])


def told(texts: list[Text]) -> list[tuple[str, float, float]]:
    return [(text.text, text.start, text.end) for text in texts]


def test_a_caption_that_stands_is_one_text_where_it_was_surest() -> None:
    # GIVEN 20 seconds of a caption in two segments, beside a logo, then nothing
    def shown(second: int) -> FrameLook:
        box = HEADLINE.model_copy(update={"left": 0.1 + second / 1000})
        return look(second, line("今日新闻", box, 0.99 if second == 7 else 0.9), line("LIVE", LOGO))

    first = scan(*(shown(second) for second in range(10)))
    second = scan(*(shown(second) for second in range(10, 20)), look(20.0), index=1)

    # WHEN they come in any order, one of them twice
    texts = texts_of([second, first, second])

    # THEN there are two texts over all the time
    assert told(texts) == [("今日新闻", 0.0, 20.0), ("LIVE", 0.0, 20.0)]
    assert texts[0].picture_time == 7.0
    assert texts[0].area is not None
    assert texts[0].area.left == pytest.approx(0.107)
    assert (texts[0].form, texts[0].score, texts[0].track, texts[0].cover) == (Form.OCR, 0.99, 0, None)


def test_near_duplicates_show_what_their_original_shows() -> None:
    texts = read(look(0.0, line("Sale")), look(1.0, duplicate_of=0), look(2.0, duplicate_of=0), look(3.0))
    assert told(texts) == [("Sale", 0.0, 3.0)]


def test_what_differs_a_little_is_a_misreading_and_the_reading_with_most_weight_counts() -> None:
    readings = ["Markets fa11 today", "Markets fall today", "Markets fall today", "Markets fail today"]
    texts = read(*(look(float(time), line(text)) for time, text in enumerate(readings)))
    assert told(texts) == [("Markets fall today", 0.0, 3.0)]


@pytest.mark.parametrize(
    ("before", "after"),
    [("我爱你", "我恨你"), ("我今天真的很想见到你", "我今天真的很想杀了你"), ("Yes, I do.", "No, never!")],
)
def test_what_says_something_else_is_another_text(before: str, after: str) -> None:
    texts = read(look(0.0, line(before)), look(1.0, line(before)), look(2.0, line(after)), look(3.0, line(after)))
    assert told(texts) == [(before, 0.0, 2.0), (after, 2.0, 3.0)]


def test_sentences_with_one_beginning_are_two() -> None:
    texts = read(
        look(0.0, line("The president said today that taxes rise")),
        look(1.0, line("The president said today in Paris: never")),
    )
    assert len(texts) == 2


def test_a_line_may_be_missing_for_a_moment_but_not_for_long() -> None:
    texts = read(look(0.0, line("Sale")), look(1.0), look(2.0), look(3.0, line("Sale")), look(4.0))
    assert told(texts) == [("Sale", 0.0, 4.0)]
    times = range(1, 20)
    texts = read(look(0.0, line("Sale")), *(look(float(time)) for time in times), look(20.0, line("Sale")))
    assert told(texts) == [("Sale", 0.0, 1.0), ("Sale", 20.0, 20.0)]


@pytest.mark.parametrize("step", [2, 5, 20])
def test_a_ticker_is_one_text_of_all_that_it_showed(step: int) -> None:
    # GIVEN a window of 40 characters that moves along a long line, cut through at both ends
    whole = "Rain in the north until Sunday, sunny in the south; ferries are late; banks close early on Monday"
    looks = []
    for time, start in enumerate(range(0, len(whole) - 40, step)):
        window = whole[start + 1 : start + 39]
        looks.append(look(float(time), line("|" * (start > 0) + window + "1", BAND)))

    # WHEN it is followed
    (text,) = read(*looks)

    # THEN nothing is lost or said twice
    assert (text.start, text.end) == (0.0, float(len(looks) - 1))
    assert whole[1:start] in text.text
    assert len(text.text) <= start + 41


def test_a_ticker_without_end_is_told_in_parts() -> None:
    whole = "".join(f"news number {number}; " for number in range(400))
    texts = read(*(look(float(n), line(whole[n * 10 : n * 10 + 60], BAND)) for n in range(600)))
    assert 3 <= len(texts) <= 4
    assert all(len(text.text) < 2100 for text in texts)


def test_a_line_found_in_part_or_typed_is_what_it_is_in_full() -> None:
    part = HEADLINE.model_copy(update={"left": 0.3, "width": 0.3})
    looks = [look(float(time), line("your prize", part)) for time in range(3)]
    texts = read(*looks, look(3.0, line("Collect your prize")), look(4.0, line("your prize", part)))
    assert told(texts) == [("Collect your prize", 0.0, 4.0)]


def test_credits_that_roll_are_one_text_each() -> None:
    def rolled(time: int) -> FrameLook:
        boxes = [Box(left=0.3, top=0.9 - 0.2 * time + 0.1 * row, width=0.3, height=0.05) for row in range(2)]
        return look(float(time), line("Directed by", boxes[0]), line("Jane Doe", boxes[1]))

    assert told(read(*map(rolled, range(4)))) == [("Directed by", 0.0, 3.0), ("Jane Doe", 0.0, 3.0)]


def test_equal_texts_in_one_picture_are_texts_of_their_own() -> None:
    assert len(read(look(0.0, line("SALE"), line("SALE", LOGO)), look(1.0, line("SALE"), line("SALE", LOGO)))) == 2


def test_tracks_are_followed_apart() -> None:
    texts = read(look(0.0, line("Sale")), look(0.1, line("Sale"), track=1))
    assert [(text.track, text.start) for text in texts] == [(0, 0.0), (1, 0.1)]


def test_covers_have_a_number_and_no_time() -> None:
    # GIVEN a cover looked at in two parts that overlap, and what other detectors see
    other = Observation(detector="codes", form=Form.COVER, label="ad", sub_label="qrcode", score=1.0, text="http://a")
    parts = [
        FrameLook(ordinal=part, time=0.0, observations=(line("加微信 abc888", form=Form.COVER), other))
        for part in (0, 1)
    ]

    # WHEN it is read
    (text,) = texts_of([], [scan(*parts, index=3)])

    # THEN its text counts once
    assert (text.form, text.cover, text.text, text.start, text.end) == (Form.COVER, 3, "加微信 abc888", 0.0, 0.0)
