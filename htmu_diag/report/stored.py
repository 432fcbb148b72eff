"""A run read back from its store: numbers as they were logged, spectra put on the grid, laws drawn again."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from htmu_diag.analysis import Reading
from htmu_diag.analysis.assembled import Floats32, Piece
from htmu_diag.analysis.density import density_of, is_drawn
from htmu_diag.analysis.history import History, flat_settings, history_of
from htmu_diag.analysis.packed import CODES, about_density, about_table, code_of, columns_of
from htmu_diag.laws import HTMP, InverseHTMP
from htmu_diag.laws.base import Law
from htmu_diag.spectrum import Spectrum
from htmu_diag.storage import Run

__all__ = ["history_from_store"]

MOST_LAWS = 2000  # a law takes one to three milliseconds to draw: of a longer history every n-th step has its law


def history_from_store(run: Run, name: str) -> History:
    """The run as its views need it. Steps that were never diagnosed are diagnosed now."""
    records = list(run.records())
    spectra = sum(len(record.readings) for record in records)
    every = max(1, math.ceil(spectra / MOST_LAWS))
    tables: dict[str, dict[int, list[Reading]]] = {}
    points: dict[tuple[str, str], dict[int, Floats32]] = {}
    abouts: dict[tuple[str, str], dict[str, Any]] = {}
    for place, record in enumerate(records):
        found = {(s.source.kind.value, s.source.name): s for s in record.spectra}
        for reading in record.readings:
            key = reading.source.kind.value, reading.source.name
            tables.setdefault(key[0], {}).setdefault(record.step, []).append(reading)
            rows = _rows(found[key], reading, with_law=place % every == 0 or place == len(records) - 1)
            if rows is not None:
                nodes = found[key].estimator.method == "quadrature"
                abouts.setdefault(key, about_density(found[key].source, len(abouts), quadrature=nodes))
                points.setdefault(key, {})[record.step] = rows
    pieces = [piece for kind, steps in tables.items() for piece in _tables(kind, steps)]
    pieces += [Piece(abouts[key], list(steps), list(steps.values())) for key, steps in points.items()]
    return history_of(name, pieces, run.scalars(), run.events(), flat_settings(run.info.get("config") or {}))


def _tables(kind: str, steps: Mapping[int, list[Reading]]) -> list[Piece]:
    """One piece for each choice of layers."""
    seen = {q for readings in steps.values() for r in readings for q, x in r.numbers.items() if not math.isnan(x)}
    names = columns_of(next(r.source.kind for readings in steps.values() for r in readings), seen)
    groups: dict[tuple[str, ...], list[int]] = {}
    for step, readings in steps.items():
        groups.setdefault(tuple(r.source.name for r in readings), []).append(step)
    with np.errstate(over="ignore"):  # a law's median of the largest value may lie beyond single precision
        return [
            Piece(
                about_table(kind, [r.source for r in steps[members[0]]], names),
                members,
                [np.array([[_cell(r, q) for q in names] for r in steps[step]], np.float32) for step in members],
            )
            for members in groups.values()
        ]


def _cell(reading: Reading, name: str) -> float:
    if name in CODES:
        return code_of(name, reading.texts.get(name, ""))
    return reading.numbers.get(name, math.nan)


def _rows(spectrum: Spectrum, reading: Reading, *, with_law: bool) -> Floats32 | None:
    law = _law(reading) if with_law else None
    found = density_of(spectrum, law, reading.numbers.get("htmp_floor", 0.0))
    return None if found is None else found.packed()


def _law(reading: Reading) -> Law | None:
    """The fitted law again, from its stored parameters."""
    known = reading.numbers  # of earlier versions without the law's own kappa
    kappa, scale = known.get("htmp_kappa", known.get("kappa", math.nan)), known.get("htmp_scale", math.nan)
    if not (is_drawn(reading.texts.get("htmp_status", "")) and kappa > 0 and 0 < scale < math.inf):
        return None
    law = HTMP if reading.source.kind.orientation == "direct" else InverseHTMP
    return law(known.get("gamma", reading.source.gamma), kappa, scale)
