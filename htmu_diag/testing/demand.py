"""One sentence for a broken contract."""

from __future__ import annotations

__all__ = ["demand"]


def demand(holds: bool, thing: object, sentence: str) -> None:
    """Raises AssertionError, also under ``python -O``, where the sentence does not hold."""
    if not holds:
        raise AssertionError(f"{type(thing).__name__}: {sentence}")
