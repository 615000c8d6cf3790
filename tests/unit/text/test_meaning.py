"""Classifiers and examples over the real encoder."""

from pathlib import Path

import numpy as np
import pytest

from moderation.models.keywords import KeywordLibrary
from moderation.models.reading import HitSource
from moderation.models.template import Form
from moderation.text.encoder import encoder
from moderation.text.folding import Folding
from moderation.text.judge import Judge
from moderation.text.linear import script_of, sentence


@pytest.fixture(scope="module")
def meaning(weights: Path) -> Judge:
    return Judge(weights, parts=["text_models"])


def scores(judge: Judge, text: str, source: HitSource, language: str = "") -> dict[str, float]:
    return {
        f"{one.label}/{one.sub_label}": one.score
        for one in judge.judge(text, language=language)
        if one.source is source
    }


def test_alike_in_two_languages_lies_near(weights: Path) -> None:
    vectors = encoder(weights).encode(["今天天气很好", "the weather is nice today", "the stock market crashed", ""])
    assert np.allclose(np.linalg.norm(vectors, axis=1), 1, atol=1e-5)
    assert vectors[0] @ vectors[1] > 0.75 > 0.4 > vectors[0] @ vectors[2]


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("these immigrants are vermin, I hate them all and they should be shot", "abuse/text"),
        ("河南人都是骗子小偷，全都不是好东西，恶心", "abuse/text"),
        ("刷单返佣日结，联系我领取", "ad/text"),
        ("URGENT! You have won a 2000 pound prize, call 09061701461 to claim your guaranteed reward", "spam/spam"),
    ],
)
def test_classifiers_know_what_lists_do_not(meaning: Judge, text: str, kind: str) -> None:
    assert scores(meaning, text, HitSource.CLASSIFIER).get(kind, 0) > 0.6


@pytest.mark.parametrize(
    "text",
    ["刷单返俑日洁，联系我领曲", "刷*单*返*佣*日*结，联.系.我.领.取", "抵价出售油戏帐号，需药的斯聊"],
)
def test_an_advertisement_in_other_characters_of_the_same_sound_is_one(meaning: Judge, text: str) -> None:
    assert scores(meaning, text, HitSource.CLASSIFIER).get("ad/text", 0) > 0.6


def test_what_is_put_between_characters_does_not_change_the_meaning() -> None:
    folding = Folding({})
    assert sentence(folding.fold("加 微*信·领\u200b取，免 费")) == "加微信领取,免费"
    assert sentence(folding.fold("我的 MacBook Pro 到了。 3.5 元")) == "我的 macbook pro 到了。 3.5 元"


@pytest.mark.parametrize(
    "text",
    ["基于 Redis 的分布式限流组件，支持 Spring Boot 和多种算法", "QQ 机器人插件，支持查询天气、课表和定时推送"],
)
def test_a_description_of_software_is_no_advertisement(meaning: Judge, text: str) -> None:
    assert scores(meaning, text, HitSource.CLASSIFIER).get("ad/text", 0) < 0.75


@pytest.mark.parametrize("text", ["How to bake bread at home", "周末带孩子去公园玩", "See you tomorrow at the station"])
def test_they_leave_ordinary_texts_alone(meaning: Judge, text: str) -> None:
    assert max([one.score for one in meaning.judge(text)], default=0.0) < 0.5


def test_texts_in_other_languages_are_for_examples_alone(meaning: Judge) -> None:
    folding = Folding({})
    assert script_of(folding.fold("Привет, как дела")) is script_of(folding.fold("Γειά σου")) is None
    assert script_of(folding.fold("こんにちは、今日は")) is None
    assert script_of(folding.fold("日本人"), "ja") is None
    assert script_of(folding.fold("我喜欢 Minecraft")) == "han"
    assert script_of(folding.fold("hello")) == "latin"
    assert script_of(folding.fold("123 !?")) is None
    german = "Handfeuerwaffen und Gewehre ohne Überprüfung zu verkaufen, weltweiter Versand"
    assert scores(meaning, german, HitSource.CLASSIFIER, "de") == {}
    assert scores(meaning, german, HitSource.PROTOTYPE, "de").get("illegal/weapons_trade", 0) > 0.6


def test_examples_tell_a_kind_of_text_by_its_like(meaning: Judge) -> None:
    found = scores(meaning, "selling guns and rifles, no background check, worldwide shipping", HitSource.PROTOTYPE)
    assert found["illegal/weapons_trade"] > 0.7
    assert scores(meaning, "the museum exhibits old guns and rifles", HitSource.PROTOTYPE) == {}


def test_an_owner_adds_examples_and_near_misses(weights: Path, meaning: Judge) -> None:
    text = "our cat food is the best for your kitten"
    assert scores(meaning, text, HitSource.PROTOTYPE) == {}
    library = KeywordLibrary.read("pets", b'{"examples": {"ad/text": ["buy our cat food, the best for kittens"]}}')
    own = Judge(weights, [library], parts=["text_models"])
    assert scores(own, text, HitSource.PROTOTYPE)["ad/text"] > 0.5
    held = KeywordLibrary.read("held", f'{{"examples": {{"harmless/": ["{text}"]}}}}'.encode())
    assert scores(Judge(weights, [library, held], parts=["text_models"]), text, HitSource.PROTOTYPE) == {}


def test_what_is_said_is_speech(meaning: Judge) -> None:
    found = meaning.judge("you are all disgusting animals and should be shot", form=Form.ASR)
    assert {one.sub_label for one in found if one.label == "abuse"} == {"speech"}
