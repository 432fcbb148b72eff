"""What a law must be: its density, distribution function, quantiles, moments and samples are those of one law."""

from __future__ import annotations

import math
from itertools import pairwise
from typing import Any

import numpy as np
from scipy.integrate import quad

from htmu_diag.laws import Law
from htmu_diag.spectrum import Floats
from htmu_diag.testing.demand import attempt, demand, demand_object

__all__ = ["check_law"]

_LEVELS = np.array([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])
_SURE: dict[str, Any] = {"epsabs": 0.0, "epsrel": 1e-6, "limit": 200, "full_output": 1}


def check_law(law: Law, *, seed: int = 0, accuracy: float = 1e-6) -> None:
    """All routes of a law agree: independent quadrature of its density, inverses, complements, moments, samples.

    accuracy: of the quadrature. Samples are held to a Kolmogorov-Smirnov distance that a true law exceeds once in a
    million seeds.
    """
    demand_object(law)
    demand(isinstance(law, Law), law, "has not all methods of htmu_diag.laws.Law")
    atom = float(getattr(law, "atom", 0.0))
    levels = atom + (1 - atom) * _LEVELS
    points = _values(law, "ppf", levels)
    _check_functions(law, points, levels)
    with attempt(law, "pdf(number)", "it must give a float"):
        masses = [quad(law.pdf, low, high, epsabs=accuracy / 100, limit=200)[0] for low, high in pairwise(points)]
    demand(bool(np.allclose(masses, np.diff(levels), atol=accuracy)), law, "its density does not integrate to its cdf")
    _check_outside(law)
    _check_samples(law, seed)
    _check_variance(law, float(points[-1] - points[0]))


def _values(law: Law, name: str, x: Floats) -> Floats:
    call = f"{name}(array of shape {x.shape})"
    with attempt(law, call, "it must give as many numbers"):
        values = np.asarray(getattr(law, name)(x), dtype=float)
    demand(values.shape == x.shape, law, f"{call} gives shape {values.shape}: arrays do not keep their shape")
    demand(not np.isnan(values).any(), law, f"{call} gives NaN at {x[np.isnan(values)][:1]}")
    return values


def _number(law: Law, name: str) -> float:
    with attempt(law, f"{name}()", "it must be a method that gives a float"):
        return float(getattr(law, name)())


def _check_functions(law: Law, points: Floats, levels: Floats) -> None:
    demand(bool(np.allclose(_values(law, "cdf", points), levels, atol=1e-9)), law, "ppf is not the inverse of cdf")
    demand(bool(np.allclose(_values(law, "isf", 1 - levels), points, rtol=1e-6)), law, "isf is not the inverse of sf")
    demand(
        bool(np.allclose(_values(law, "cdf", points) + _values(law, "sf", points), 1, atol=1e-12)),
        law,
        "cdf and sf do not add to one",
    )
    with np.errstate(divide="ignore"):
        demand(
            bool(np.allclose(_values(law, "logpdf", points), np.log(_values(law, "pdf", points)))),
            law,
            "logpdf is not the log of pdf",
        )
        demand(
            bool(np.allclose(_values(law, "logsf", points), np.log(_values(law, "sf", points)))),
            law,
            "logsf is not the log of sf",
        )
    demand(bool((np.diff(points) > 0).all()), law, "its quantiles do not increase")
    _values(law, "pdf", points.reshape(1, -1))


def _check_outside(law: Law) -> None:
    with attempt(law, "support()", "it must be a method that gives the two ends"):
        low, high = map(float, law.support())
    for x, below in ((low - 1.0, 0.0), (high + 1.0, 1.0)):
        if math.isfinite(x):
            demand(float(law.pdf(x)) == 0, law, f"its density is not 0 at {x}, outside of its support")
            demand(float(law.cdf(x)) == below, law, f"its cdf is not {below} at {x}")
    atom, tiny = float(getattr(law, "atom", 0.0)), float(np.finfo(float).tiny)
    below, at, above = (float(law.cdf(x)) for x in (-tiny, 0.0, tiny))
    there = abs(at - below - atom) < 1e-9 and above >= at
    demand(there, law, f"its atom at 0 is {atom:.6g}, but its cdf goes {below:.6g}, {at:.6g}, {above:.6g} there")
    demand(math.isnan(float(law.pdf(math.nan))), law, "NaN does not give NaN")


def _check_samples(law: Law, seed: int) -> None:
    n = 4000
    with attempt(law, f"rvs({n}, rng=generator)", "it must give as many numbers, drawn from the generator"):
        sample, again = (np.sort(np.asarray(law.rvs(n, rng=np.random.default_rng(seed)), float)) for _ in range(2))
    demand(sample.shape == (n,), law, f"rvs({n}, rng=generator) gives shape {sample.shape}")
    demand(bool(np.array_equal(sample, again)), law, "one seed gives two samples: use the generator that is passed")
    distance = float(np.abs(law.cdf(sample) - (np.arange(n) + 0.5) / n).max())
    distance -= float(getattr(law, "atom", 0.0))
    demand(distance < 2.7 / math.sqrt(n), law, f"samples are {distance:.3f} (KS) away from its cdf")
    if math.isfinite(_number(law, "var")):
        error = abs(float(sample.mean()) - _number(law, "mean"))
        demand(
            error <= 6 * math.sqrt(_number(law, "var") / n), law, f"mean() is {error:.3g} away from the mean of samples"
        )


def _check_variance(law: Law, unit: float) -> None:
    """E[(x - m)^2] = 2 int_m (x - m) sf + 2 int^m (m - x) cdf, by parts; where quadrature is sure of it."""
    variance = _number(law, "var")
    if not math.isfinite(variance):
        return
    middle, (low, high) = _number(law, "mean"), law.support()
    upper, lower = (high - middle) / unit, (middle - low) / unit
    parts = [quad(lambda t: 2 * t * law.sf(middle + unit * t), *ends, **_SURE) for ends in _cuts(upper)]
    parts += [quad(lambda t: 2 * t * law.cdf(middle - unit * t), *ends, **_SURE) for ends in _cuts(lower)]
    total = unit**2 * sum(part[0] for part in parts)
    sure = all(len(part) == 3 for part in parts) and unit**2 * sum(part[1] for part in parts) < 1e-4 * total
    demand(not sure or abs(variance - total) <= 1e-2 * total, law, f"var() is {variance:.6g}; by its cdf {total:.6g}")


def _cuts(end: float) -> list[tuple[float, float]]:
    return [(0.0, end)] if end <= 1 else [(0.0, 1.0), (1.0, end)]
