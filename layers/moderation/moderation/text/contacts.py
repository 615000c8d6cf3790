"""Ways to be reached that stand in a text: numbers, messengers, addresses, and how they are disguised. Pure."""

import re
from collections.abc import Iterator
from typing import NamedTuple

from moderation.text.folding import Folded, View


class Contact(NamedTuple):
    """Something to reach somebody by: how surely it is meant as that, and where it stands in the text as it came."""

    score: float
    start: int
    end: int


_NUMERALS = str.maketrans("零〇一二三四五六七八九幺壹贰叁肆伍陆柒捌玖", "001234567891123456789")
_NUMERAL = "[0-9零〇一二三四五六七八九幺壹贰叁肆伍陆柒捌玖]"
_MOBILE = re.compile(rf"(?<!{_NUMERAL})(?:86)?({_NUMERAL}{{11}})(?!{_NUMERAL})")
_MOBILE_NUMBER = re.compile(r"1[3-9]\d{9}")
_WECHAT = r"(?:微信|微|卫信|危信|v信|vx|wx|weixin|wechat|v)"
_QQ = r"(?:qq|q|企鹅)"
_JOIN = r"(?:请|快|速|可|来)?(?:加|➕|添加|联系|咨询|\+)(?:我的?|下|个|一下|客服|老师|主播)?"

# Of the loose spelling: nothing but letters, digits and characters.
_LOOSE = (
    (0.95, re.compile(rf"{_JOIN}{_WECHAT}(?:号|群|号码)?(?:是|为)?[a-z0-9]{{5,20}}")),
    (
        0.95,
        re.compile(
            r"(?<![a-z])(?:微信号?|卫信|v信|vx|wx|weixin|wechat|薇信)(?:号|id)?(?:是|为)?(?=[a-z]{0,20}\d)[a-z0-9]{6,20}"
        ),
    ),
    (0.95, re.compile(rf"(?<![a-z])(?:{_JOIN})?{_QQ}(?:号|群|群号|号码)?(?:是|为)?\d{{5,11}}(?!\d)")),
    (0.9, re.compile(r"(?:群号|群|裙|扣群|售后群|外部群|内部群|交流群|福利群)(?:是|为)?\d{6,11}(?!\d)")),
    (0.85, re.compile(r"(?:电话|手机|热线|致电|拨打|来电)(?:号码)?(?:是|为)?[0-9]{7,12}(?!\d)")),
    (0.85, re.compile(r"(?:联系|咨询|私聊)[\u4e00-\u9fff]{0,4}[1-9]\d{8,10}(?!\d)")),
    (
        0.85,
        re.compile(
            r"(?:电报|飞机|纸飞机|(?<![a-z])(?:telegram|tg)(?=群|频道))(?:群|频道|号)?(?:是|为|搜)?[a-z][a-z0-9]{4,}"
        ),
    ),
    (0.85, re.compile(rf"(?:{_JOIN})(?:薇信|微信|v信|vx|q群|qq群|qq|企鹅)")),
    (0.8, re.compile(r"(?:私信|私聊|加|找)(?:我|客服)(?:领取?|拿|发|要|买|获取|进群)")),
)
_MISSPELT = re.compile("[薇徽嶶溦葳崴癓][信伩❤♥♡💗💕💖💓芯鑫馨訫軐]|[微威v][❤♥♡💗💕💖💓伩訫軐]")
"""WeChat as nobody writes it who has nothing to hide. Of the tight spelling."""
_NOT_AN_ACCOUNT = re.compile(r"(?:qq|q|微信|微|v)(?:音乐|浏览器|邮箱|空间|飞车|支付|小程序|公众号|读书|视频号)")

_TLD = (
    "com|cn|net|org|top|xyz|vip|cc|club|shop|site|online|info|biz|app|link|live|fun|icu|win|bet|pro|store|pw|tk|ru|cm|la|ws|"
    "one|wang|ltd|ink|work|run|me|io|co|tv|us|uk|de|fr|in"
)
_RISKY = frozenset(
    (
        "top",
        "xyz",
        "vip",
        "cc",
        "club",
        "icu",
        "win",
        "bet",
        "pw",
        "tk",
        "fun",
        "wang",
        "ink",
        "run",
        "cm",
        "la",
        "link",
    )
)
_INVITE = re.compile(
    r"(?:https?://)?(?:t\.me|telegram\.me|wa\.me|chat\.whatsapp\.com|discord\.gg|discord\.com/invite|u\.wechat\.com|qm\.qq\.com"
    r"|line\.me|bit\.ly|tinyurl\.com|goo\.gl|is\.gd|t\.cn|suo\.im|dwz\.cn)/[\w+./-]{3,}"
)
_DOMAIN = re.compile(
    rf"(?<![a-z0-9_@.-])(?:https?:?//)?(?:www\.)?(?:[a-z0-9-]{{2,}}\.)+({_TLD})(?![\w-]|\.\w)(?:[:/][^\s\u2e80-\uffff]*)?"
)
_MAIL = re.compile(rf"(?<![a-z0-9._%+-])[a-z0-9._%+-]{{2,64}}@(?:[a-z0-9-]+\.)+(?:{_TLD})(?!\w)")
_DISGUISED = re.compile(
    r"(?<![a-z0-9])[a-z0-9-]{3,} ?(?:点|丶|。|\(dot\)|\[dot\]|\{dot\}| dot |\(\.\)|\[\.\]|⊙|●|•) ?"
    r"(?:com|net|cn|org|top|xyz|vip|cc|me)(?![a-z])"
)
_SPACED = re.compile(r"(?<![a-z0-9])(?:[a-z0-9] ){3,40}\. ?(?:c ?o ?m|n ?e ?t|c ?n|t ?o ?p|v ?i ?p)(?![a-z0-9])")
_ABROAD = re.compile(
    r"(?<![\d.,/$€£+-])(?:\+\d{1,3}[ .-]?)(?:\(?\d{2,4}\)?[ .-]?){2,4}\d{2,4}(?![\d.,])"
    r"|(?<![\d.,/$-])\(?\d{3}\)?[ .-]\d{3}[ .-]\d{4}(?![\d-])"
)
_ASKED = re.compile(
    r"(?<![a-z])(?:call|text|txt|ring|phone|whatsapp|whats app|telegram|viber|signal|contact|dial|msg|message)"
    r"(?: (?:me|us|now|at|on|to|free|only|or text|number|no))*[ :.-]*"
    r"\+?[\d(][\d() .-]{5,18}\d"
)
_ACCOUNT = re.compile(
    r"(?<![a-z])(?:qq|vx|wx|wechat|weixin)(?: ?(?:id|no|number|群|号))?[ .:=-]{0,3}"
    r"(?=[a-z_-]{0,20}\d)[a-z0-9_-]{5,20}(?![a-z0-9])"
)
_HANDLE = re.compile(
    r"(?<![a-z])(?:whatsapp|telegram|wechat|kik|snapchat|snap|insta|ig|tg|line id|skype|discord|onlyfans|signal)"
    r"(?: me)?(?: id)? ?[:=-]* ?"
    r"(?:@[a-z][\w.-]{3,}|(?=[a-z.]{0,30}[\d_])[a-z][\w.]{4,})"
)


def contacts(folded: Folded) -> list[Contact]:
    """All that the text gives to reach somebody by; places may overlap."""
    return [*_written(folded.plain), *_hidden(folded)]


def _written(plain: View) -> Iterator[Contact]:
    text = plain.text
    for score, pattern in (
        (0.9, _INVITE),
        (0.65, _MAIL),
        (0.9, _DISGUISED),
        (0.9, _SPACED),
        (0.7, _ABROAD),
        (0.85, _ASKED),
        (0.85, _HANDLE),
        (0.9, _ACCOUNT),
    ):
        for match in pattern.finditer(text):
            yield Contact(score, *plain.span(*match.span()))
    for match in _DOMAIN.finditer(text):
        score = 0.75 if match.group(1) in _RISKY or match.group().startswith("http") else 0.55
        yield Contact(score, *plain.span(*match.span()))


def _hidden(folded: Folded) -> Iterator[Contact]:
    loose = folded.loose
    text = loose.text
    accounts = [match.span() for match in _NOT_AN_ACCOUNT.finditer(text)]
    for score, pattern in _LOOSE:
        for match in pattern.finditer(text):
            start, end = match.span()
            if not any(start < last and first < end for first, last in accounts):
                yield Contact(score, *loose.span(start, end))
    tight = folded.tight
    for match in _MISSPELT.finditer(tight.text):
        yield Contact(0.85, *tight.span(*match.span()))
    for match in _MOBILE.finditer(tight.text):
        if _MOBILE_NUMBER.fullmatch(match.group(1).translate(_NUMERALS)):
            yield Contact(0.8, *tight.span(*match.span()))
