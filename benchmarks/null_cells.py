"""What the scripts of the null tables share: draws kept by cell, quantiles with a fitted tail, smoothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TypeVar

import numpy as np
from scipy.stats import genpareto

from htmu_diag.spectrum import Floats

__all__ = ["drawn", "pareto_quantiles", "shared_shape", "smoothed"]

Key = TypeVar("Key", bound=tuple[float, ...])


def drawn(keys: Iterable[Key], draw: Callable[[Key], Floats], work: Path | None) -> dict[Key, Floats]:
    """The draws of every cell. work: a folder that keeps them, so that an interrupted run goes on."""
    if work:
        work.mkdir(parents=True, exist_ok=True)
    return {key: _one(key, draw, work) for key in keys}


def _one(key: Key, draw: Callable[[Key], Floats], work: Path | None) -> Floats:
    kept = work / f"{'-'.join(map(str, key))}.npy" if work else None
    if kept and kept.exists():
        return np.asarray(np.load(kept))
    found = draw(key)
    if kept:
        np.save(kept, found)
    return found


def shared_shape(samples: Iterable[Floats], tail: float) -> float:
    """Shape of the generalised Pareto law of the largest share ``tail``, from the excesses of all cells in units of
    their means."""
    excess = []
    for x in samples:
        beyond = x[x > np.quantile(x, 1 - tail)] - np.quantile(x, 1 - tail)
        excess.append(beyond / beyond.mean())
    return float(genpareto.fit(np.concatenate(excess), floc=0)[0])


def pareto_quantiles(sample: Floats, p: Floats, shape: float, tail: float, join: float) -> Floats:
    """Upper quantiles at the probabilities p: of the sample, and below ``join`` of the law fitted beyond ``tail``."""
    level = np.quantile(sample, 1 - tail)
    mean = float((sample[sample > level] - level).mean())
    beyond = level + mean * (1 - shape) / shape * ((p / tail) ** -shape - 1)
    return np.asarray(np.where(p < join, beyond, np.quantile(sample, 1 - p)))


def smoothed(quantiles: Floats, terms: Floats, weights: Sequence[float] | Floats, at: Floats) -> Floats:
    """(m, p) of (c, p) quantiles by cell: each level as a polynomial, ascending along the levels.

    terms: (c, t) of the cells, weights: (c,) square roots of their draws, at: (m, t) where the table has entries. Cells
    without a value are left out.
    """
    kept = np.isfinite(quantiles).all(axis=1)
    scale = np.asarray(weights, dtype=np.float64)[kept, None]
    found = np.linalg.lstsq(terms[kept] * scale, quantiles[kept] * scale, rcond=None)[0]
    change = (terms @ found - quantiles)[kept]
    print("change by smoothing: largest", np.abs(change).max().round(3), "rms", np.sqrt(np.mean(change**2, 0)).round(3))
    return np.asarray(np.maximum.accumulate(at @ found, axis=-1))
