"""Which layers a key of ``alpha_pattern`` means, without handing an expression from a file to Python's matcher.

peft reads each key as a regular expression for the end of a layer's name. Nearly all of them are plain names. Of the
others only those are read whose matching is known to be short: characters, classes and alternatives of plain words,
with at most two repetitions. An expression can otherwise take longer than the universe is old (``(a+)+!``).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

__all__ = ["Patterns"]

_PLAIN = re.compile(r"[\w.\\-]+")
_CHARACTER = r"(?:\\[.dw]|\[[\w.-]{1,40}\]|[\w.-])"
_BOUNDED = re.compile(rf"\^?(?:{_CHARACTER}[*+?]?|\((?:\?:)?[\w.|-]+\))+\$?")
_LONGEST_NAME, _LONGEST_PATTERN, _REPETITIONS = 128, 128, 2
_MATCHES = 5000  # in all: at most a few milliseconds each


class Patterns:
    """The table of a file. ``found(layer)`` is the value of the first key that fits, None where none does.

    readable: False where a key is no expression of the bounded kind; what it would say is then not known.
    """

    def __init__(self, table: Any) -> None:
        told = table if isinstance(table, Mapping) else {}
        self._values = dict(told)
        self._plain = {key.replace("\\.", "."): key for key in told if _PLAIN.fullmatch(key)}
        others = [key for key in told if not _PLAIN.fullmatch(key)]
        self._expressions = {key: re.compile(rf"(.*\.)?({key})") for key in others if _is_bounded(key)}
        self._left = _MATCHES
        self.readable = (table is None or isinstance(table, Mapping)) and len(self._expressions) == len(others)

    def found(self, layer: str) -> Any:
        steps = layer.split(".")
        for start in range(len(steps)):
            key = self._plain.get(".".join(steps[start:]))
            if key is not None:
                return self._values[key]
        return self._by_expression(layer)

    def _by_expression(self, layer: str) -> Any:
        for key, expression in self._expressions.items():
            if self._left <= 0 or len(layer) > _LONGEST_NAME:
                self.readable = False
                return None
            self._left -= 1
            if expression.fullmatch(layer):
                return self._values[key]
        return None


def _is_bounded(key: str) -> bool:
    if len(key) > _LONGEST_PATTERN or sum(map(key.count, "*+")) > _REPETITIONS or not _BOUNDED.fullmatch(key):
        return False
    try:
        re.compile(key)
    except re.error:
        return False
    return True
