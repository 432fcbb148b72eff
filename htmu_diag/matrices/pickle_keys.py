"""Keys that a pickle may choose: such as cost little, however many there are.

A dictionary is quick because its keys have hashes that differ. Numbers and tuples of numbers have hashes that anybody
can compute, and so choose: forty thousand keys of one hash, a megabyte, keep a dictionary busy for minutes. The hashes
of texts are Python's secret.
"""

from __future__ import annotations

from typing import Any

__all__ = ["Keys", "memo_slot"]

_BITS = 60  # of a whole number: larger ones may all have one hash
_SMALL = 24  # bits of a number in a tuple: with these nobody finds thousands of one hash
_TUPLES = 2000  # keys that are tuples of other numbers: so many of one hash cost a second at most


class Keys:
    """Gives the keys of one pickle back, one by one. Raises ValueError for one of a kind that is refused."""

    def __init__(self) -> None:
        self._tuples = 0

    def __call__(self, value: Any) -> Any:
        for part in value if isinstance(value, tuple) else (value,):
            if isinstance(part, tuple | frozenset) or (isinstance(part, int) and part.bit_length() > _BITS):
                raise ValueError("a key of a kind that is refused")  # hashing nested tuples exhausts the stack of C too
        if isinstance(value, tuple) and len(value) > 1 and not all(map(_is_secret, value)):
            self._tuples += 1
            if self._tuples > _TUPLES:
                raise ValueError("too many keys of a kind that is refused")
        return value


def memo_slot(argument: Any) -> int:
    """The number of a slot of the memo, as its binary form has it. Raises ValueError for another."""
    slot = int(argument)
    if not 0 <= slot < 2**32:
        raise ValueError("a slot that is none")
    return slot


def _is_secret(part: Any) -> bool:
    """Whether nobody can choose it so that a tuple with it has a certain hash."""
    return part is None or isinstance(part, str | bytes) or (isinstance(part, int) and part.bit_length() <= _SMALL)
