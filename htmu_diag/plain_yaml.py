"""YAML as plain values: texts, numbers, lists and dictionaries, without references to other places of the file.

A reference to a list of references to lists unfolds to more than any memory from a few lines; dates, sets and bytes
have no place in a configuration, and become texts or are refused.
"""

from __future__ import annotations

from typing import Any

import yaml

from htmu_diag.errors import ConfigError

__all__ = ["loads_yaml"]

_DEEPEST = 32
_DIGITS = 64
_TAG = "tag:yaml.org,2002:"


class _Loader(yaml.SafeLoader):
    """SafeLoader without aliases, and with a bound on nesting and on numbers."""

    _level = 0

    def compose_node(self, parent: Any, index: Any) -> Any:
        if self.check_event(yaml.AliasEvent):
            mark = self.peek_event().start_mark  # type: ignore[no-untyped-call]
            raise yaml.YAMLError(f"line {mark.line + 1}: a reference (*name), which is refused; write the value out")
        self._level += 1
        if self._level > _DEEPEST:
            raise yaml.YAMLError(f"nested deeper than {_DEEPEST} levels")
        try:
            return super().compose_node(parent, index)
        finally:
            self._level -= 1

    def construct_yaml_int(self, node: Any) -> int:
        if len(node.value) > _DIGITS:
            raise yaml.YAMLError(f"line {node.start_mark.line + 1}: a number of {len(node.value)} digits")
        return super().construct_yaml_int(node)

    def construct_mapping(self, node: Any, deep: bool = False) -> Any:
        seen: set[str] = set()
        for key in (key for key, _ in node.value if isinstance(key, yaml.ScalarNode)):
            if key.value in seen:
                raise yaml.YAMLError(f"line {key.start_mark.line + 1}: the key {key.value!r} stands twice")
            seen.add(key.value)
        return super().construct_mapping(node, deep)

    def text(self, node: Any) -> str:
        return str(node.value)  # a date stays the text it is

    def refuse(self, node: Any) -> Any:
        kind = str(node.tag).removeprefix(_TAG)
        raise yaml.YAMLError(f"line {node.start_mark.line + 1}: a value of the kind {kind!r}; write text or a number")


_Loader.add_constructor(f"{_TAG}int", _Loader.construct_yaml_int)
_Loader.add_constructor(f"{_TAG}timestamp", _Loader.text)
for _kind in ("binary", "set", "omap", "pairs"):
    _Loader.add_constructor(f"{_TAG}{_kind}", _Loader.refuse)


def loads_yaml(text: str) -> Any:
    """The value of a YAML text. Raises ConfigError in one line for what is no YAML, or more than plain values.

    >>> loads_yaml("a: [1, 2.5]")
    {'a': [1, 2.5]}
    """
    try:
        return yaml.load(text, Loader=_Loader)
    except (yaml.YAMLError, ValueError, TypeError, RecursionError, OverflowError, AttributeError) as error:
        raise ConfigError(f"not valid YAML ({' '.join(str(error).split())}); mend that line") from error
