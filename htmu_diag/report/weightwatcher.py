"""The columns of weightwatcher 0.7.7 from our numbers, for scripts that were written for its data frames.

Its eigenvalues are those of W^T W; ours are divided by N, the larger side, so its lengths are ours times N. One row
each: their column, ours in words, and how it is computed. What our table does not know under their meaning is absent.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from htmu_diag.analysis import Diagnosis

__all__ = ["WEIGHTWATCHER", "WeightWatcherColumn", "weightwatcher_row", "weightwatcher_summary"]

Row = Mapping[str, Any]
OVER_TRAINED, UNDER_TRAINED = 2.0, 6.0  # its bounds of alpha for its column "warning"
WEAK_RANK = 1e-6  # its bound of eigenvalues of W^T W for "weak_rank_loss"
_SUMMARY = ("log_norm", "alpha", "alpha_weighted", "log_alpha_norm", "log_spectral_norm", "stable_rank")


@dataclass(frozen=True)
class WeightWatcherColumn:
    """name: theirs. ours: the same number in our terms, as the documentation shows it. value: from one of our rows."""

    name: str
    ours: str
    value: Callable[[Row], Any]


def _size(row: Row) -> float:
    return float(max(row["rows"], row["columns"]))


def _least(row: Row) -> float:
    return float(min(row["rows"], row["columns"]))


def _root(value: float) -> float:
    return math.sqrt(value) if value >= 0 else math.nan


def _entropy(row: Row) -> float:
    rank = _least(row) * (1.0 - row["zero_fraction"])
    return math.log(row["effective_rank"]) / math.log(rank) if rank > 1 else math.nan


def _sigma(row: Row) -> float:
    return (row["alpha"] - 1.0) / math.sqrt(row["n_tail"]) if row["n_tail"] > 0 else math.nan


def _warning(row: Row) -> str:
    return "over-trained" if row["alpha"] < OVER_TRAINED else "under-trained" if row["alpha"] > UNDER_TRAINED else ""


def _status(row: Row) -> str:
    return "success" if row["tail_status"] == "ok" else row["tail_status"] or row["verdict"]


def _layer_type(row: Row) -> str:
    return {"conv": "conv2d", "embedding": "embedding"}.get(row["role"], "dense")


def _longname(row: Row) -> str:
    return str(row["name"]).removesuffix(".weight")


_C = WeightWatcherColumn
_ROWS = (
    _C("layer_id", "number of the row, from 0 (theirs counts modules)", lambda r: r["layer_id"]),
    _C("name", "last part of `name` without `.weight`", lambda r: _longname(r).rpartition(".")[2]),
    _C("longname", "`name` without `.weight`", _longname),
    _C("layer_type", "by `role`: conv2d, embedding, dense for all others", _layer_type),
    _C("N", "larger of `rows`, `columns`", lambda r: int(_size(r))),
    _C("M", "smaller of `rows`, `columns`", lambda r: int(_least(r))),
    _C("Q", "1 / `gamma`", lambda r: _size(r) / _least(r)),
    _C("rf", "1: every matrix has a row of its own (theirs pools kernel positions)", lambda r: 1),
    _C("has_esd", "false where the matrix is unusable", lambda r: not math.isnan(r["lambda_max"])),
    _C("num_evals", "`dimension`", lambda r: r["dimension"]),
    _C("alpha", "`alpha`", lambda r: r["alpha"]),
    _C("D", "`ks`", lambda r: r["ks"]),
    _C("xmin", "N `xmin`", lambda r: _size(r) * r["xmin"]),
    _C("xmax", "N `lambda_max`", lambda r: _size(r) * r["lambda_max"]),
    _C("sigma", "(`alpha` - 1) / sqrt(`n_tail`); `alpha_stderr` also counts the choice of xmin", _sigma),
    _C("num_pl_spikes", "`n_tail`", lambda r: r["n_tail"]),
    _C("status", "success where `tail_status` is ok, else `tail_status` (theirs calls noise a success)", _status),
    _C("warning", "over-trained below alpha 2, under-trained above 6", _warning),
    _C("alpha_weighted", "`alpha_weighted`", lambda r: r["alpha_weighted"]),
    _C("log_alpha_norm", "`log_alpha_norm`", lambda r: r["log_alpha_norm"]),
    _C("log_norm", "`log_frobenius_norm` (our `log_norm` is log10 `lambda_max`)", lambda r: r["log_frobenius_norm"]),
    _C("norm", "N `trace`", lambda r: _size(r) * r["trace"]),
    _C("log_spectral_norm", "`log_spectral_norm`", lambda r: r["log_spectral_norm"]),
    _C("spectral_norm", "N `lambda_max`", lambda r: _size(r) * r["lambda_max"]),
    _C("lambda_max", "N `lambda_max`", lambda r: _size(r) * r["lambda_max"]),
    _C("stable_rank", "`stable_rank`", lambda r: r["stable_rank"]),
    _C("sv_max", "sqrt(N `lambda_max`)", lambda r: _root(_size(r) * r["lambda_max"])),
    _C("sv_min", "sqrt(N `lambda_min`)", lambda r: _root(_size(r) * r["lambda_min"])),
    _C("matrix_rank", "`dimension` (1 - `zero_fraction`)", lambda r: _rounded(_least(r) * (1 - r["zero_fraction"]))),
    _C("rank_loss", "`dimension` `zero_fraction`", lambda r: _rounded(_least(r) * r["zero_fraction"])),
    _C("weak_rank_loss", "eigenvalues of W^T W below 1e-6", lambda r: r["weak_rank_loss"]),
    _C("entropy", "log `effective_rank` / log rank", _entropy),
)

WEIGHTWATCHER: dict[str, WeightWatcherColumn] = {column.name: column for column in _ROWS}


def weightwatcher_row(layer_id: int, row: Row, diagnosis: Diagnosis | None) -> dict[str, Any]:
    """Our row of a matrix under their names."""
    values = np.empty(0) if diagnosis is None else diagnosis.spectrum.values
    weak = math.nan if diagnosis is None else float((values * _size(row) < WEAK_RANK).sum())
    full = {**row, "layer_id": layer_id, "weak_rank_loss": weak}
    return {column.name: column.value(full) for column in _ROWS}


def weightwatcher_summary(rows: Sequence[Row]) -> dict[str, float]:
    """Means over the rows that have the number, as its ``get_summary``; failed rows count as absent, not as -1."""
    columns = {name: [row[name] for row in rows if math.isfinite(row[name])] for name in _SUMMARY}
    return {name: float(np.mean(values)) if values else math.nan for name, values in columns.items()}


def _rounded(value: float) -> float:
    return float(round(value)) if math.isfinite(value) else math.nan
