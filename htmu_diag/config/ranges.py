"""Ranges of values, refused with the key that has them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from htmu_diag.errors import ConfigError

__all__ = ["at_least", "intervals", "require"]

MOST = 2**62  # of a whole number: torch and numpy count in 64 bits


def at_least(section: str, key: str, value: float, least: int) -> None:
    name = f"{section}.{key}" if section else key
    rule = f"at least {least}" if value < MOST else "below 2^62"
    require(least <= value < MOST, name, value, rule)  # which NaN is not


def require(holds: bool, key: str, value: object, rule: str) -> None:
    if not holds:
        raise ConfigError(f"{key} is {value}; it must be {rule}")


def intervals(every: Any) -> Iterator[tuple[str, int]]:
    """The numbers of steps in a cadence, by their keys."""
    named = {f"every.{probe}": when for probe, when in every.items()} if isinstance(every, dict) else {"every": every}
    return ((name, when) for name, when in named.items() if isinstance(when, int))
