"""Iterators that a forward pass or a loss draws from: they cannot be put back, so that they moved is noticed and said.

They are looked for where generators are (`loss_modules.held`). Where one stands is told without asking it for anything:
a Python generator by the line and the names of its frame, ``itertools.count`` by its text, iterators over containers by
what is left, those made of others (zip, map, enumerate, chain) by their parts, ``itertools.cycle`` by what Python would
pickle of it. Not seen: a cycle after its first pass from Python 3.14 on, which pickles none, and a generator that keeps
everything elsewhere.
"""

from __future__ import annotations

import contextlib
import gc
import itertools
import operator
import types
import warnings
from collections.abc import Iterable
from typing import Any

import torch

from htmu_diag.model.loss_modules import held

__all__ = ["MOVED", "Streams"]

_EMPTY: tuple[Iterable[Any], ...] = ((), [], range(0), "", {}, {}.values(), {}.items(), set())
_OVER_CONTAINERS: tuple[type, ...] = tuple(type(iter(empty)) for empty in _EMPTY)
_OF_OTHERS: tuple[type, ...] = (zip, map, filter, enumerate, itertools.chain, itertools.cycle, itertools.islice)
_ITERATORS: tuple[type, ...] = (types.GeneratorType, itertools.count, *_OVER_CONTAINERS, *_OF_OTHERS)
_DEPTH = 4
MOVED = (
    "an iterator that the model or the loss draws from ({}) was moved by a measurement, and cannot be put back: the "
    "training goes on from a later place of it than without; draw from a random generator, or from an attribute of the "
    "module that is plain data, to have it put back"
)


class Streams:
    """The iterators within reach of these modules and this loss, and where they stand now."""

    def __init__(self, modules: Iterable[torch.nn.Module], loss_fn: Any = None) -> None:
        self._at = [(iterator, _position(iterator, _DEPTH)) for iterator in held(_ITERATORS, modules, loss_fn)]

    @property
    def moved(self) -> str:
        """The names of the kinds that stand elsewhere now; empty where none does."""
        kinds = {type(one).__name__ for one, was in self._at if not _same(was, _position(one, _DEPTH))}
        return ", ".join(sorted(kinds))


def _position(iterator: Any, depth: int) -> tuple[Any, ...]:
    if isinstance(iterator, types.GeneratorType):
        frame = iterator.gi_frame
        return () if frame is None else (frame.f_lasti, *frame.f_locals.values())
    if isinstance(iterator, itertools.count):
        return (repr(iterator),)
    if isinstance(iterator, _OF_OTHERS):
        parts = _parts(iterator) if depth else []
        inside = [one for part in parts for one in (part if isinstance(part, tuple) else (part,))]
        return tuple(at for one in inside if isinstance(one, _ITERATORS) for at in _position(one, depth - 1))
    return (operator.length_hint(iterator, -1),)


def _parts(iterator: Any) -> list[Any]:
    if isinstance(iterator, itertools.cycle):
        with contextlib.suppress(TypeError), warnings.catch_warnings():
            warnings.simplefilter("ignore", DeprecationWarning)
            return list(iterator.__reduce__()[1])
    return gc.get_referents(iterator)


def _same(was: tuple[Any, ...], now: tuple[Any, ...]) -> bool:
    pairs = zip(was, now, strict=False)
    return len(was) == len(now) and all(a is b or (type(a) in (int, str) and a == b) for a, b in pairs)
