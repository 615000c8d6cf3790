"""Words, contacts and rules in every spelling, and nothing of the kind in what only looks so."""

import csv
import time
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from moderation.models.keywords import MAX_WORDS, KeywordLibrary
from moderation.models.reading import HitSource, TextFinding
from moderation.models.template import Form
from moderation.text.judge import Judge
from moderation.text.lexicon import Words
from tests.quality import texts

FLAGGED = 0.75


def kinds(findings: list[TextFinding], least: float = FLAGGED) -> set[str]:
    return {f"{one.label}/{one.sub_label}" for one in findings if one.score >= least}


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("fuck you", "abuse/text"),
        ("ＦＵＣＫ you", "abuse/text"),
        ("𝓯𝓾𝓬𝓴 this", "abuse/text"),
        ("Ⓕⓤⓒⓚ", "abuse/text"),
        ("f u c k off", "abuse/text"),
        ("f.u.c.k off", "abuse/text"),
        ("fu.ck off", "abuse/text"),
        ("fuuuuuck", "abuse/text"),
        ("f\u200bu\u200bc\u200bk", "abuse/text"),
        ("fück", "abuse/text"),
        ("fυсk", "abuse/text"),
        ("what a b!tch", "abuse/text"),
        ("n1gg3r", "abuse/text"),
        ("you a$$hole", "abuse/text"),
        ("f̶u̶c̶k̶", "abuse/text"),
        ("f*ck", "abuse/text"),
        ("傻 逼", "abuse/text"),
        ("你个煞笔", "abuse/text"),
        ("操.你.妈", "abuse/text"),
        ("操亻尔女马", "abuse/text"),
        ("肏妳媽", "abuse/text"),
        ("裸 聊 直 播", "porn/text"),
        ("澳門賭場，註冊送彩金", "illegal/gambling"),
        ("堵博网站", "illegal/gambling"),
        ("贝者博网站", "illegal/gambling"),
        ("出售冰-毒", "illegal/drugs"),
        ("枪支出售", "illegal/weapons_trade"),
        ("大量假钞出售", "illegal/contraband"),
        ("代-开-发-漂", "ad/text"),
        ("how to build a b0mb", "terror/text"),
        ("法輪功", "politics/text"),
        ("互粉互赞", "spam/spam"),
    ],
)
def test_a_word_is_found_in_any_spelling(words: Judge, text: str, kind: str) -> None:
    assert kind in kinds(words.judge(text))


@pytest.mark.parametrize(
    "text",
    [
        "加微信 xiaomei888",
        "加薇❤ abc12345",
        "加 V 信：xiaomei888",
        "vx: meimei2020",
        "威❤ 同号",
        "加我亻言箱，加徽信 kk123456",
        "QQ 12345678",
        "扣扣：８８８８８８８",
        "QQ裙 12 34 56 78",
        "🐧 1234567",
        "联系 138-0013-8000",
        "电话 一三八零零一三八零零零",
        "看片 abc点com",
        "visit www.win888.top now",
        "t.me/hotchannel",
        "add me on WhatsApp +1 555 123 4567",
        "call 08452810075 now",
        "telegram: @seller_01",
        "discord.gg/abcdef",
        "好货都在kk9912.top",
        "要的联系阿强1508844271",
    ],
)
def test_a_contact_is_found_in_any_spelling(words: Judge, text: str) -> None:
    assert "ad/contact" in kinds(words.judge(text))


@pytest.mark.parametrize(
    "text",
    [
        "Scunthorpe, Essex and Middlesex",
        "Assassins assess the class",
        "Dick Van Dyke in Mary Poppins",
        "Samsung Galaxy A55 with 256 GB",
        "Love you, see you soon xxx",
        "微信小程序开发教程",
        "QQ音乐十周年",
        "维护司法威信",
        "操场上有一匹马",
        "妈妈的生日",
        "杂种犬和纯种犬",
        "外卖比价",
        "2021年10月12日，海拔3800米，共138万人",
        "联系上了2021年失踪的登山者",
        "来个会玩奶妈的",
        "班主任加我好友了",
        "Version 1.16.5 of node.js, see page 1234567",
        "哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈哈",
        "Noooooooooooooooooooooooo way",
        "Rhythm",
        "",
        " \u200b ",
    ],
)
def test_what_only_looks_like_it_is_left_alone(words: Judge, text: str) -> None:
    assert kinds(words.judge(text)) == set()


def test_benign_titles_are_left_alone(words: Judge) -> None:
    with Path(texts.__file__).with_name("benign_titles.csv").open(newline="", encoding="utf-8") as file:
        titles = [row["text"] for row in csv.DictReader(file)]
    flagged = {title: found for title in titles if (found := kinds(words.judge(title), 0.8))}
    assert len(flagged) <= 0.005 * len(titles), flagged


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("顶" * 40, "spam/flood"),
        ("买我的课 " * 8, "spam/flood"),
        ("asdfghjklqwertyuiop", "spam/meaningless"),
        ("xkjhgfdwqzprtlk bvcxzmnbvcxzlk", "spam/meaningless"),
        ("\ufffd\ufffd\ufffdæ\ufffd\ufffd\ufffd\ufffd\ufffd\ufffd", "spam/meaningless"),
    ],
)
def test_rules_tell_what_is_poured_out_and_what_is_no_words(words: Judge, text: str, kind: str) -> None:
    (finding,) = [one for one in words.judge(text) if one.label == "spam"]
    assert f"{finding.label}/{finding.sub_label}" == kind
    assert finding.source is HitSource.RULE


def test_news_of_it_counts_less(words: Judge) -> None:
    (offer,) = [one for one in words.judge("赌博网站") if one.label == "illegal"]
    (news,) = [one for one in words.judge("警方破获赌博网站") if one.label == "illegal"]
    assert news.score < offer.score


def test_hints_add_up(words: Judge) -> None:
    (one,) = [finding for finding in words.judge("私聊") if finding.label == "ad"]
    (three,) = [finding for finding in words.judge("私聊 优惠 代理") if finding.label == "ad"]
    assert one.score == 0.5
    assert three.score > 0.8


def test_what_is_said_is_speech(words: Judge) -> None:
    assert kinds(words.judge("fuck you", form=Form.ASR)) == {"abuse/speech"}
    assert kinds(words.judge("crystal meth for sale", form=Form.ASR)) == {"illegal/drugs"}


def test_only_what_is_asked_for_is_told(weights: Path) -> None:
    asked = Judge(weights, parts=["words"], targets={(Form.TITLE, "abuse", "text")})
    assert kinds(asked.judge("法轮功 傻逼")) == {"abuse/text"}


def test_hits_are_placed_in_the_text_as_it_came(words: Judge) -> None:
    text = "Ｗｏｗ, 傻\u200b 逼!"
    (finding,) = words.judge(text)
    assert [(hit.word, text[hit.start : hit.end]) for hit in finding.hits] == [("傻\u200b 逼", "傻\u200b 逼")]


@settings(max_examples=150, deadline=None)
@given(
    st.text(st.characters(codec="utf-8") | st.sampled_from("f*u.ck 傻逼加微❤信QQ123450亻言尔\u200b\n@$"), max_size=60)
)
def test_hits_are_always_inside_the_text(words: Judge, text: str) -> None:
    for finding in words.judge(text):
        assert 0 <= finding.score <= 1
        for hit in finding.hits:
            assert 0 <= hit.start < hit.end <= len(text)
            assert hit.word == text[hit.start : hit.end]


@pytest.mark.parametrize("unit", ["a", "aa.", "vx", "1", "加v", "call me "])
def test_long_texts_take_time_in_proportion(words: Judge, unit: str) -> None:
    start = time.process_time()
    words.judge(unit * (20_000 // len(unit)))
    assert time.process_time() - start < 2


def owned(weights: Path, *libraries: KeywordLibrary) -> Judge:
    return Judge(weights, libraries, parts=["words"])


def test_a_library_of_the_owner_is_found_and_named(weights: Path) -> None:
    library = KeywordLibrary.read("rivals", '{"block": ["Acme"], "review": ["竞品"]}'.encode())
    findings = owned(weights, library).judge("A.c.m.e 和 競品 比较")
    (found,) = [one for one in findings if one.sub_label == "customized"]
    assert (found.label, found.source, found.library, found.score) == ("spam", HitSource.LIBRARY, "rivals", 1.0)
    assert [hit.word for hit in found.hits] == ["A.c.m.e", "競品"]


def test_words_that_may_pass_hide_what_is_found_on_them_alone(weights: Path) -> None:
    library = KeywordLibrary.read("ours", '{"pass": ["傻逼", "win888.top"]}'.encode())
    judge = owned(weights, library)
    assert judge.judge("傻逼") == []
    assert judge.judge("see win888.top") == []
    assert kinds(judge.judge("傻逼，王八蛋")) == {"abuse/text"}


def test_a_library_has_bounds_and_no_other_fields() -> None:
    full = '{"review": [' + ",".join(f'"w{number}"' for number in range(MAX_WORDS)) + "]"
    assert len(KeywordLibrary.read("full", f"{full}}}".encode()).review) == MAX_WORDS
    for document in (f'{full}, "block": ["one"]}}', '{"words": []}', '{"block": [""]}', "[]", "no"):
        with pytest.raises(ValidationError):
            KeywordLibrary.read("broken", document.encode())


def test_lists_hold_each_word_once_in_a_category() -> None:
    for kind, lists in Words.read().own.items():
        listed = [word for words_of in lists.values() for word in words_of]
        assert sorted({word for word in listed if listed.count(word) > 1}) == [], kind


def test_a_missing_list_is_no_empty_list(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        Judge(tmp_path, parts=["words"])
