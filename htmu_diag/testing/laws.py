"""What a law must be: its density, distribution function, quantiles, moments and samples are those of one law."""

from __future__ import annotations

import math
from itertools import pairwise

import numpy as np
from scipy.integrate import quad

from htmu_diag.laws import Law
from htmu_diag.spectrum import Floats
from htmu_diag.testing.demand import demand

__all__ = ["check_law"]

_LEVELS = np.array([0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99])


def check_law(law: Law, *, seed: int = 0, accuracy: float = 1e-6) -> None:
    """All routes of a law agree: independent quadrature of its density, inverses, complements, moments, samples.

    accuracy: of the quadrature. Samples are held to a Kolmogorov-Smirnov distance that a true law exceeds once in a
    million seeds.
    """
    demand(isinstance(law, Law), law, "has not all methods of htmu_diag.laws.Law")
    atom = float(getattr(law, "atom", 0.0))
    levels = atom + (1 - atom) * _LEVELS
    points = np.asarray(law.ppf(levels))
    _check_functions(law, points, levels)
    masses = [quad(law.pdf, low, high, epsabs=accuracy / 100, limit=200)[0] for low, high in pairwise(points)]
    demand(bool(np.allclose(masses, np.diff(levels), atol=accuracy)), law, "its density does not integrate to its cdf")
    _check_outside(law)
    _check_samples(law, seed)


def _check_functions(law: Law, points: Floats, levels: Floats) -> None:
    demand(bool(np.allclose(law.cdf(points), levels, atol=1e-9)), law, "ppf is not the inverse of cdf")
    demand(bool(np.allclose(law.isf(1 - levels), points, rtol=1e-6)), law, "isf is not the inverse of sf")
    demand(bool(np.allclose(law.cdf(points) + law.sf(points), 1, atol=1e-12)), law, "cdf and sf do not add to one")
    with np.errstate(divide="ignore"):
        demand(bool(np.allclose(law.logpdf(points), np.log(law.pdf(points)))), law, "logpdf is not the log of pdf")
        demand(bool(np.allclose(law.logsf(points), np.log(law.sf(points)))), law, "logsf is not the log of sf")
    demand(bool((np.diff(points) > 0).all()), law, "its quantiles do not increase")
    demand(np.shape(law.pdf(points.reshape(1, -1))) == (1, points.size), law, "arrays do not keep their shape")


def _check_outside(law: Law) -> None:
    low, high = law.support()
    for x, below in ((low - 1.0, 0.0), (high + 1.0, 1.0)):
        if math.isfinite(x):
            demand(float(law.pdf(x)) == 0, law, f"its density is not 0 at {x}, outside of its support")
            demand(float(law.cdf(x)) == below, law, f"its cdf is not {below} at {x}")
    demand(math.isnan(float(law.pdf(math.nan))), law, "NaN does not give NaN")


def _check_samples(law: Law, seed: int) -> None:
    n = 4000
    sample = np.sort(law.rvs(n, rng=np.random.default_rng(seed)))
    again = np.sort(law.rvs(n, rng=np.random.default_rng(seed)))
    demand(bool(np.array_equal(sample, again)), law, "one seed gives two samples: use the generator that is passed")
    distance = float(np.abs(law.cdf(sample) - (np.arange(n) + 0.5) / n).max())
    distance -= float(getattr(law, "atom", 0.0))
    demand(distance < 2.7 / math.sqrt(n), law, f"samples are {distance:.3f} (KS) away from its cdf")
    if math.isfinite(law.var()):
        error = abs(float(sample.mean()) - law.mean())
        demand(error <= 6 * math.sqrt(law.var() / n), law, f"mean() is {error:.3g} away from the mean of samples")
