"""Rows of docs/calibration.md on kappa and on the p-values of laws, right and wrong: see ``benchmarks.calibration``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.calibration_tails import REPLICATES, pareto
from benchmarks.common import generator
from htmu_diag.fits import LawFit, fit_htmp, fit_inverse_gamma, fit_marchenko_pastur, fit_power_law
from htmu_diag.laws import InverseGamma
from htmu_diag.laws.ensembles import beta_laguerre, wishart
from htmu_diag.spectrum import Floats

__all__ = ["kappa_rows", "p_rows"]

Draw = Callable[[np.random.Generator], Floats]
Row = list[object]


def kappa_rows(gamma: float) -> Iterator[Row]:
    """Both orientations at 200 values, the direct one at 1,000 too, and there from the largest fifth alone."""
    for kappa in (0.3, 1.0, 4.0, 20.0):
        for kind, n in (("direct", 200), ("inverse", 200), ("direct", 1000), ("direct, largest fifth", 1000)):
            rng = generator("kappa", gamma, kappa, n, kind)
            fits = [_kappa_fit(beta_laguerre(n, gamma, kappa, rng=rng), gamma, kind) for _ in range(REPLICATES)]
            yield [kind, gamma, kappa, n, *_kappa_cell([fit for fit in fits if fit is not None], kappa)]


def _kappa_fit(x: Floats, gamma: float, kind: str) -> LawFit | None:
    """None where the reciprocals leave float64. Those of the inverse law are taken for exact (``resolution=0``)."""
    if kind == "direct":
        return fit_htmp(x, gamma)
    if kind == "inverse":
        return fit_htmp(1 / x, gamma, orientation="inverse", resolution=0.0) if x[0] > 1e-290 else None
    return fit_htmp(x[-x.size // 5 :], gamma, dimension=x.size)


def _kappa_cell(fits: list[LawFit], kappa: float) -> Row:
    kept = [fit for fit in fits if fit.law is not None]
    if len(kept) < REPLICATES / 2:
        return ["-", "-", "-", "-", len(kept)]
    logs = np.log([fit.kappa for fit in kept]) - np.log(kappa)
    inside = np.mean([fit.kappa_interval[0] <= kappa <= fit.kappa_interval[1] for fit in kept])
    spread = f"{100 * np.median(logs):+.1f} %", f"{100 * logs.std():.1f} %"
    stderr = np.median([fit.kappa_stderr / fit.kappa for fit in kept])
    return [*spread, f"{100 * stderr:.1f} %", f"{100 * inside:.1f} %", len(kept)]


def p_rows() -> Iterator[Row]:
    """Shares of p-values below 0.1 and below 0.5; the replicates are drawn anew for each, not from the default seed."""
    tests: list[tuple[str, str, Callable[[Floats, np.random.Generator], float], Draw]] = [
        ("power law", "true: alpha 2.5, n = 300", _p_tail, lambda r: pareto(2.5, 1.0, 300, r)),
        ("power law", "wrong: lognormal, n = 1,000", _p_tail_known, lambda r: 1 + r.lognormal(size=1000)),
        ("power law", "wrong: noise, n = 500", _p_tail, lambda r: wishart(500, 2000, rng=r)),
        ("Marchenko-Pastur", "true: 128 x 256", _p_bulk, lambda r: wishart(128, 256, rng=r)),
        ("Marchenko-Pastur", "true: 1,000 x 2,000", _p_bulk, lambda r: wishart(1000, 2000, rng=r)),
        ("Marchenko-Pastur", "wrong: HTMP kappa 20, n = 128", _p_bulk, lambda r: beta_laguerre(128, 0.5, 20, rng=r)),
        ("HTMP", "wrong: lognormal, n = 200", _p_htmp, lambda r: r.lognormal(size=200)),
        (
            "inverse Gamma",
            "true: independent, shape 2, n = 300",
            _p_inverse_gamma,
            lambda r: InverseGamma(2.0).rvs(300, rng=r),
        ),
        ("inverse Gamma", "wrong: uniform, n = 300", _p_inverse_gamma, lambda r: r.random(300) + 0.01),
    ]
    for family, sample, p_value, draw in tests:
        rng = generator("p", family, sample)
        p = np.array([p_value(draw(rng), rng) for _ in range(REPLICATES)])
        p = p[np.isfinite(p)]
        yield [family, sample, p.size, *(f"{100 * np.mean(p < level):.0f} %" for level in (0.1, 0.5))]


def _p_tail(x: Floats, rng: np.random.Generator) -> float:
    return fit_power_law(x, bootstrap=99, rng=rng).p_value


def _p_tail_known(x: Floats, rng: np.random.Generator) -> float:
    return fit_power_law(x, xmin=1.0, bootstrap=99, rng=rng).p_value


def _p_bulk(x: Floats, _: np.random.Generator) -> float:
    return fit_marchenko_pastur(x, 0.5).p_value


def _p_htmp(x: Floats, _: np.random.Generator) -> float:
    return fit_htmp(x, 0.5).p_value


def _p_inverse_gamma(x: Floats, rng: np.random.Generator) -> float:
    return fit_inverse_gamma(x, 1.0, bootstrap=39, rng=rng).p_value
