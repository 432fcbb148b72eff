"""The reader's side of the packed format: steps put together again, tables of a kind joined, densities on one grid.

Where the pieces come from (TensorBoard's data provider, event files, a run's store) does not matter here.
"""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from htmu_diag.analysis.density import Floats32, unpacked

__all__ = ["Densities", "Floats32", "Piece", "Table", "joined_densities", "joined_tables", "merged_order"]


@dataclass(frozen=True)
class Piece:
    """One tag's points: its description and an array a step."""

    about: Mapping[str, Any]
    steps: Sequence[int]
    arrays: Sequence[npt.NDArray[Any]]


@dataclass(frozen=True)
class Table:
    """All numbers of one kind of one run.

    layers: their descriptions in the order of the model. steps: (s,) ascending. values: (q, l, s), NaN where a layer
    has no value at a step. codes: column -> the words that its numbers stand for.
    """

    layers: tuple[Mapping[str, Any], ...]
    quantities: tuple[str, ...]
    steps: tuple[int, ...]
    values: Floats32
    codes: Mapping[str, Sequence[str]] = field(default_factory=dict)

    def of(self, quantity: str) -> Floats32:
        """(l, s) of one quantity; all NaN where the table has none of that name."""
        if quantity not in self.quantities:
            return np.full(self.values.shape[1:], math.nan, np.float32)
        return np.asarray(self.values[self.quantities.index(quantity)])


@dataclass(frozen=True)
class Densities:
    """One layer's densities through time on one stretch of the grid.

    first: place of the lowest bin, whose lower edge is 10**(first / per). rows: (r, s, bins): mass, then the law's or
    the negative values' mass and so on as ``names`` says; what a step does not reach is 0, NaN without a law.
    """

    about: Mapping[str, Any]
    first: int
    steps: tuple[int, ...]
    rows: Floats32

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(name for name in self.about["rows"] if name != "center")  # files of earlier versions name it


def joined_tables(pieces: Iterable[Piece], wanted: Collection[str] = ()) -> Table:
    """Tables of one kind as one, joined by the layers' names; a step that several have is a union of their cells.

    wanted: the quantities to keep; without it all of them. Unknown ones are left out.
    """
    known = list(pieces)
    names = merged_order([[layer["name"] for layer in piece.about["layers"]] for piece in known])
    described = {layer["name"]: layer for piece in reversed(known) for layer in piece.about["layers"]}
    every = merged_order([piece.about["quantities"] for piece in known])
    quantities = [name for name in every if not wanted or name in wanted]
    steps = sorted({step for piece in known for step in piece.steps})
    values = np.full((len(quantities), len(names), len(steps)), math.nan, np.float32)
    for piece in known:
        _fill(values, piece, quantities, names, steps)
    codes = {name: words for piece in known for name, words in piece.about.get("codes", {}).items()}
    return Table(tuple(described[name] for name in names), tuple(quantities), tuple(steps), values, codes)


def joined_densities(pieces: Sequence[Piece]) -> Densities:
    """One layer's densities (and its start) as one series. At least one piece with at least one step."""
    points = (point for piece in pieces for point in zip(piece.steps, piece.arrays, strict=True))
    found = {step: unpacked(array) for step, array in points}
    steps = tuple(sorted(found))
    first = min(place for place, _ in found.values())
    last = max(place + rows.shape[1] for place, rows in found.values())
    about = next((piece.about for piece in pieces if piece.about), {})
    made = Densities(about, first, steps, np.zeros((0, 0, 0), np.float32))
    out = np.zeros((len(made.names), len(steps), last - first), np.float32)
    for at, step in enumerate(steps):
        place, rows = found[step]
        if np.isnan(rows[1]).all():
            out[1, at] = math.nan
        known = min(len(rows), len(out))  # a run that another version goes on with may have other rows
        out[:known, at, place - first : place - first + rows.shape[1]] = rows[:known]
    return replace(made, rows=out)


def merged_order(sequences: Iterable[Sequence[str]]) -> list[str]:
    """All names once, in an order that keeps each sequence's own where they agree: a new name follows its predecessor.

    >>> merged_order([["a", "c"], ["a", "b", "c", "d"]])
    ['a', 'b', 'c', 'd']
    """
    merged: list[str] = []
    for sequence in sequences:
        place, known = 0, set(merged)
        for name in sequence:
            if name in known:
                place = merged.index(name) + 1
            else:
                merged.insert(place, name)
                place += 1
    return merged


def _fill(
    values: Floats32, piece: Piece, quantities: Sequence[str], names: Sequence[str], steps: Sequence[int]
) -> None:
    if not len(piece.steps):
        return
    held = {name: column for column, name in enumerate(piece.about["quantities"])}
    shared = [name for name in quantities if name in held]
    columns = [held[name] for name in shared]
    cells = np.stack([array[:, columns] for array in piece.arrays]).transpose(2, 1, 0)  # (q, l, s)
    where = {step: at for at, step in enumerate(steps)}
    rows = [names.index(layer["name"]) for layer in piece.about["layers"]]
    cell = np.ix_([quantities.index(name) for name in shared], rows, [where[step] for step in piece.steps])
    values[cell] = np.where(np.isnan(cells), values[cell], cells)
