"""A run as tables: one row a layer and step, or one quantity as a matrix of steps and layers."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
import numpy.typing as npt

from htmu_diag.analysis import QUANTITIES
from htmu_diag.errors import InputError
from htmu_diag.extras import imported
from htmu_diag.nearest import did_you_mean
from htmu_diag.spectrum import Floats
from htmu_diag.storage.stored_record import StoredRecord

if TYPE_CHECKING:
    import pandas as pd

__all__ = ["Curves", "columns", "curves", "frame"]

# what others call a quantity -> its name here
_CALLED = {
    "exponent": "alpha",
    "tail_index": "alpha",
    "power_law_exponent": "alpha",
    "alpha_hat": "alpha_weighted",
    "repulsion": "kappa",
    "outliers": "spikes",
    "max_eigenvalue": "lambda_max",
    "top_eigenvalue": "lambda_max",
    "largest_eigenvalue": "lambda_max",
    "sharpness": "lambda_max",
    "spectral_norm": "log_spectral_norm",
    "frobenius_norm": "log_frobenius_norm",
    "norm": "log_norm",
    "rank": "stable_rank",
    "p_value": "p",
    "verdict": "phase",
    "state": "phase",
}

IDENTITY = ("step", "wall_time", "kind", "name", "rows", "columns")


class Curves(NamedTuple):
    """One quantity over time. steps: (s,) ascending. layers: l names. values: (s, l), NaN where there is no value."""

    steps: npt.NDArray[np.int64]
    layers: tuple[str, ...]
    values: Floats


def curves(records: Sequence[StoredRecord], quantity: str, kind: str) -> Curves:
    """A quantity of every layer of a kind. Raises InputError for a name that neither the run nor the table knows."""
    _require_known(records, quantity)
    places: dict[str, int] = {}
    points: list[tuple[int, int, float]] = []
    steps: list[int] = []
    for record in records:
        table = record.numbers
        rows = [(row, s[1]) for row, s in enumerate(table.spectra) if s[0] == kind]
        if not rows:
            continue
        column = table.quantities.index(quantity) if quantity in table.quantities else None
        for row, name in rows:
            value = np.nan if column is None else float(table.values[row, column])
            points.append((len(steps), places.setdefault(name, len(places)), value))
        steps.append(record.step)
    values = np.full((len(steps), len(places)), np.nan)
    for step, layer, value in points:
        values[step, layer] = value
    return Curves(np.array(steps, dtype=np.int64), tuple(places), values)


def columns(records: Iterable[StoredRecord]) -> dict[str, Any]:
    """The columns of the table of all records, one entry a layer and step: identity, every quantity, every text."""
    found = [record for record in records if record.numbers.spectra]
    quantities = tuple(dict.fromkeys(name for record in found for name in record.numbers.quantities))
    words = tuple(dict.fromkeys(name for record in found for name in record.numbers.texts))
    counts = [len(record.numbers.spectra) for record in found]
    spectra = [spectrum for record in found for spectrum in record.numbers.spectra]
    identity = [
        np.repeat(np.array([record.step for record in found], dtype=np.int64), counts),
        np.repeat(np.array([record.wall_time for record in found], dtype=np.float64), counts),
        *([spectrum[place] for spectrum in spectra] for place in range(4)),
    ]
    values = _stacked(found, quantities)
    return {
        **dict(zip(IDENTITY, identity, strict=True)),
        **{name: values[:, place] for place, name in enumerate(quantities)},
        **{name: [text for record in found for text in _words(record, name)] for name in words},
    }


def frame(records: Iterable[StoredRecord]) -> pd.DataFrame:
    """The same as a data frame."""
    made: pd.DataFrame = imported("pandas", "Run.to_pandas").DataFrame(columns(records))
    return made


def _stacked(records: Sequence[StoredRecord], quantities: tuple[str, ...]) -> Floats:
    parts: list[Floats] = [np.empty((0, len(quantities)))]
    for record in records:
        table = record.numbers
        if table.quantities == quantities:
            parts.append(table.values)
            continue
        part = np.full((len(table.spectra), len(quantities)), np.nan)
        part[:, [quantities.index(name) for name in table.quantities]] = table.values
        parts.append(part)
    return np.concatenate(parts)


def _words(record: StoredRecord, name: str) -> Sequence[str]:
    return record.numbers.texts.get(name) or [""] * len(record.numbers.spectra)


def _require_known(records: Sequence[StoredRecord], quantity: str) -> None:
    known = dict.fromkeys(QUANTITIES) | dict.fromkeys(q for record in records for q in record.numbers.quantities)
    if quantity in known:
        return
    hint = did_you_mean(quantity, known, f"there are {', '.join(list(known)[:8])}, ...", _CALLED)
    raise InputError(f"{quantity!r} is no quantity of this run; {hint}")
