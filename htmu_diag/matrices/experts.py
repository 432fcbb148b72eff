"""Experts that share one tensor, told by the router that chooses among them.

A mixture of E experts of width d has a router of (E, d) or (d, E) in the block that holds them. A tensor that is called
an expert's and holds E times a matrix of that width, one below the other or side by side, is cut at E. Where nothing
is called an expert's, two such tensors have to lie beside an explicit router, and none that leads back from all their
rows as an ordinary pair of layers would: (d, R) beside (R, d).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

from htmu_diag.matrices.layout import Layout
from htmu_diag.matrices.projections import is_expert

__all__ = ["Neighbours", "stacked_experts"]

Shape = tuple[int, ...]
_ROUTER = re.compile(
    r"(.*_)?(router|routing|gating|switch)(_.*)?|gates?|gate_(net|network|layer|linear)|wg|.*expert.*_gate"
)
_SAYS_SO = re.compile(r"router|routing|gating|switch|moe|mixture|expert", re.IGNORECASE)
_ALONE = re.compile(r"experts?[._]?\d+|\.\d+\.[^.]*expert|expert[^.]*\.\d+\.|shared|lora", re.IGNORECASE)
_LEVELS = 4  # from a tensor up to the block that routes


@dataclass(frozen=True)
class _Router:
    """A map of a width to a number of experts, whichever is stored in front; ``explicit``: its name leaves no doubt."""

    shape: Shape
    explicit: bool

    @property
    def readings(self) -> Iterator[tuple[int, int]]:  # (experts, width)
        for count, width in (self.shape, self.shape[::-1]):
            if 1 < count < width:
                yield count, width


class Neighbours(dict[str, Shape]):
    """Shapes by name, with what they say of each other; looked up once for all."""

    @classmethod
    def of(cls, shapes: Mapping[str, Shape]) -> Neighbours:
        return shapes if isinstance(shapes, cls) else cls(shapes)

    @cached_property
    def routers(self) -> dict[str, list[_Router]]:
        """Path of each block with routers -> those."""
        found: dict[str, list[_Router]] = {}
        for name, shape in self.items():
            place = _router_at(name) if len(shape) == 2 else None
            if place is not None:
                block = ".".join(name.split(".")[:place])
                found.setdefault(block, []).append(_Router(shape, bool(_SAYS_SO.search(name))))
        return found

    @cached_property
    def beside(self) -> dict[str, list[Shape]]:
        """Path of each block with routers -> shapes of the other matrices in it."""
        found: dict[str, list[Shape]] = {block: [] for block in self.routers}
        for name, shape in self.items():
            if len(shape) == 2 and _router_at(name) is None:
                for block in _blocks(name):
                    if block in found:
                        found[block].append(shape)
        return found

    @cached_property
    def leading(self) -> dict[str, set[int]]:
        """Path of each set of experts -> leading sides of its stacks of matrices and of biases."""
        found: dict[str, set[int]] = {}
        for name, shape in self.items():
            path, _, last = name.rpartition(".")
            if is_expert(name) and (len(shape) == 3 or (len(shape) == 2 and "bias" in last)):
                found.setdefault(path, set()).add(shape[0])
        return found


def stacked_experts(name: str, shape: Shape, near: Neighbours, told: int = 0) -> Layout | None:
    """The layout of a tensor of two or three dimensions that holds all experts, None for any other.

    told: the number of experts by the configuration, 0 where it says none.
    """
    if _ALONE.search(name) or _router_at(name) is not None:
        return None
    if is_expert(name):
        of_all = "experts" in name or not name.endswith("weight")  # else a layer before the experts
        return _named(name, shape, near, told) if of_all and len(shape) == 2 else None
    return _unnamed(name, shape, near)


def _named(name: str, shape: Shape, near: Neighbours, told: int) -> Layout:
    rows, columns = shape
    for router, _ in _above(name, near):
        for count, width in router.readings:
            if rows % count == 0 and rows > count and width in (columns, rows // count):
                return _stack(count)
            if rows == width and columns % count == 0 and columns > count:
                return _stack(count, across=True)
    for count in (told, *sorted(near.leading.get(name.rpartition(".")[0], ()))):
        if count > 1 and rows % count == 0 and rows > count:
            return _stack(count)
    return Layout(role="stacked experts")


def _unnamed(name: str, shape: Shape, near: Neighbours) -> Layout | None:
    """Bare parameters alone: what a linear layer is called is one map of the whole."""
    for router, block in _above(name, near):
        for count, width in router.readings if router.explicit else ():
            if len(shape) == 3 and shape[0] == count and width in shape[1:] and "conv" not in name:
                return _stack(0)
            if len(shape) == 2 and not name.endswith("weight") and _pair(shape, count, width, near.beside[block]):
                return _stack(count)
    return None


def _pair(shape: Shape, count: int, width: int, beside: list[Shape]) -> bool:
    """Whether (E h, d) has another of its kind or (E d, h) beside it, and no way back from all its rows at once."""
    rows, columns = shape
    if rows % count or rows <= count:
        return False
    if columns == width and (width, rows) not in beside:
        return beside.count(shape) > 1 or (count * width, rows // count) in beside
    return rows == count * width and (count * columns, width) in beside


def _stack(count: int, across: bool = False) -> Layout:
    return Layout("stack", "expert", item="expert", members=count, across=across)


def _above(name: str, near: Neighbours) -> Iterator[tuple[_Router, str]]:
    """Routers in the blocks that hold a tensor, nearest first."""
    for block in _blocks(name):
        yield from ((router, block) for router in near.routers.get(block, ()))


def _blocks(name: str) -> Iterator[str]:
    parts = name.split(".")[:-1]
    for end in range(len(parts), max(len(parts) - _LEVELS, 0) - 1, -1):
        yield ".".join(parts[:end])


def _router_at(name: str) -> int | None:
    """Place of the part of a name that says "router", None without one. The gate of an expert's own layer is none."""
    parts = name.split(".")
    if "bias" in parts[-1]:
        return None
    for place, part in enumerate(parts):
        if _ROUTER.fullmatch(part):
            own = part in ("gate", "gates") and any("expert" in above for above in parts[:place])
            return None if own else place
    return None
