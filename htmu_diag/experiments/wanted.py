"""What the page of a sweep is to show, looked at before the first run: a slip of the pen is not found hours later.

``table:`` is a list of numbers; ``figures:`` see `figure`; ``expect:`` see `expect`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from typing import Any

from htmu_diag.errors import ConfigError
from htmu_diag.nearest import did_you_mean

__all__ = ["check_figure", "check_line", "check_wanted"]

_LINE = ("number", "against", "trend", "arm", "arms", "given", "least", "like", "most", "where", "within", "words")
_FIGURE = ("x", "y", "curves", "log", "title", "arms", "label", "diagonal")


def check_wanted(content: Mapping[str, Any], arms: Collection[str]) -> None:
    """Raises ConfigError, in one sentence, for what no page can show of a sweep with these arms."""
    for key in ("table", "figures", "expect"):
        if not isinstance(content.get(key) or [], list):
            raise ConfigError(f"{key}: pass a list, not {content[key]!r}")
    for figure in content.get("figures") or ():
        check_figure(figure)
        _check_arms("figures", figure, figure.get("arms", ()), arms)
    for line in content.get("expect") or ():
        check_line(line)
        _check_arms("expect", line, [*([line["arm"]] if "arm" in line else []), *line.get("arms", ())], arms)


def check_figure(figure: Any) -> None:
    """Raises ConfigError for a figure that cannot be drawn: neither x and y nor curves, or unknown keys."""
    _check_keys("figures", figure, _FIGURE, "takes x and y, or curves")
    if not ({"x", "y"} <= set(figure) or "curves" in figure):
        raise ConfigError(f"figures: {figure}: takes x and y, or curves; and {', '.join(_FIGURE)}")
    for key in ("y", "curves", "arms"):
        _check_list("figures", figure, key)
    if str(figure.get("log", "")) not in ("", "x", "y", "xy", "yx"):
        raise ConfigError(f"figures: {figure}: log: {figure['log']!r}; choose x, y or xy")


def check_line(line: Any) -> None:
    """Raises ConfigError for a line of ``expect:`` that says nothing that can be judged."""
    _check_keys("expect", line, _LINE, "takes number")
    if "number" not in line:
        raise ConfigError(f"expect: {line}: takes number and {', '.join(_LINE[1:])}")
    for key in ("arms", "given"):
        _check_list("expect", line, key)
    for key in ("within", "least", "most"):
        if key in line and not _is_number(line[key]):
            raise ConfigError(f"expect: {line}: {key}: {line[key]!r}; pass a number")
    if not isinstance(line.get("where") or {}, dict):
        raise ConfigError(f"expect: {line}: where: {line['where']!r}; pass settings as {{key: value}}")
    _check_trend(line)


def _check_trend(line: Mapping[str, Any]) -> None:
    trends = ("higher", "lower") if "arms" in line else ("rises", "falls", "none")
    if "trend" in line and line["trend"] not in trends:
        raise ConfigError(f"expect: {line}: trend: {line['trend']!r}; choose {', '.join(trends)}")
    if "arms" in line and len(line["arms"]) != 2:
        raise ConfigError(f"expect: {line}: arms: {line['arms']}; name the two that are compared")
    if "given" in line and not {"against", "trend"} <= set(line):
        raise ConfigError(f"expect: {line}: given goes with against and trend; add them")
    if not set(line) & {"arms", "like", "against", "least", "most"}:
        raise ConfigError(f"expect: {line}: says nothing of the number; add against, least, most, like or arms")


def _check_keys(about: str, given: Any, known: tuple[str, ...], takes: str) -> None:
    if not isinstance(given, dict):
        raise ConfigError(f"{about}: {given!r}; each is a mapping with keys of {', '.join(known)}")
    for key in given:
        if key not in known:
            otherwise = f"{takes}; and {', '.join(known)}"
            raise ConfigError(f"{about}: {given}: unknown key {key!r}; {did_you_mean(str(key), known, otherwise)}")


def _check_list(about: str, given: Mapping[str, Any], key: str) -> None:
    if key in given and not isinstance(given[key], list):
        raise ConfigError(f"{about}: {given}: {key}: pass a list of names, not {given[key]!r}")


def _check_arms(about: str, given: Mapping[str, Any], named: Collection[Any], arms: Collection[str]) -> None:
    for arm in map(str, named):
        if arm not in arms:
            known = [one for one in arms if one]
            otherwise = f"there are {', '.join(known)}" if known else "this sweep has none"
            raise ConfigError(f"{about}: {given}: no arm {arm!r}; {did_you_mean(arm, known, otherwise)}")


def _is_number(value: Any) -> bool:
    try:
        float(value)
    except (TypeError, ValueError):
        return False
    return not isinstance(value, bool)
