"""Rows of docs/calibration.md on the exponents of tails: see ``benchmarks.calibration``."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import cache, partial

import numpy as np

from benchmarks.common import generator
from htmu_diag.fits import fit_power_law
from htmu_diag.laws.ensembles import wishart
from htmu_diag.spectrum import Floats

__all__ = ["REPLICATES", "alpha_rows", "bootstrap_rows", "pareto", "short_rows"]

Draw = Callable[[np.random.Generator], Floats]
Row = list[object]
REPLICATES = 300
SHORT_REPLICATES, TESTED = 100, 40  # of short tails without and with the bootstrap (at 1,000 values)
NOISES = 20
BULK = 0.25  # aspect ratio of the noise bulk; its upper edge is at 2.25


def pareto(alpha: float, xmin: float, n: int, rng: np.random.Generator) -> Floats:
    return xmin * rng.random(n) ** (-1 / (alpha - 1))


def mixture(alpha: float, xmin: float, n: int, rng: np.random.Generator) -> Floats:
    """80 % Marchenko-Pastur bulk, 20 % tail from xmin on."""
    bulk = round(0.8 * n)
    return np.concatenate((noise(bulk)[int(rng.integers(NOISES))], pareto(alpha, xmin, n - bulk, rng)))


@cache
def noise(n: int) -> list[Floats]:
    """Spectra of pure noise, shared by the mixtures."""
    rng = generator("noise", n)
    return [wishart(n, round(n / BULK), rng=rng) for _ in range(NOISES)]


def summary(estimates: list[float], intervals: list[tuple[float, float]], truth: float) -> Row:
    inside = [low <= truth <= high for low, high in intervals]
    return [f"{np.mean(estimates) - truth:+.3f}", f"{np.std(estimates):.3f}", f"{100 * np.mean(inside):.0f} %"]


def alpha_rows() -> Iterator[Row]:
    """Pure tails at known and scanned xmin; mixtures with the tail beyond the edge and overlapping the bulk."""
    for alpha in (2.0, 2.5, 3.0, 4.0):
        for n in (200, 1000, 5000):
            rng = generator("alpha", alpha, n)
            draws = [pareto(alpha, 1.0, n, rng) for _ in range(REPLICATES)]
            for name, xmin in (("pure, xmin known", 1.0), ("pure, xmin scanned", None)):
                fits = [fit_power_law(x, xmin=xmin) for x in draws]
                refused = np.mean([not fit.status.ok for fit in fits])
                row = summary([f.alpha for f in fits], [f.alpha_interval for f in fits], alpha)
                yield [name, alpha, n, *row, f"{100 * refused:.0f} %"]
            for name, xmin in (("20 % tail beyond the edge", 2.25), ("20 % tail over the bulk", 1.0)):
                fits = [fit_power_law(mixture(alpha, xmin, n, rng)) for _ in range(REPLICATES)]
                refused = np.mean([not fit.status.ok for fit in fits])
                row = summary([f.alpha for f in fits], [f.alpha_interval for f in fits], alpha)
                yield [name, alpha, n, *row, f"{100 * refused:.0f} %"]


def short_rows() -> Iterator[Row]:
    """Tails of a small share of the values behind three bodies, and laws that are power laws in the limit only."""
    for n in (1000, 10_000):
        for share in (0.02, 0.05, 0.1, 0.15, 0.2):
            for body, sample in _bodies(n, share).items():
                yield _short_row(f"{100 * share:.0f} % {body}", 2.5, n, sample)
        for degrees in (2, 3, 4):
            yield _short_row(f"Student t, {degrees} degrees", degrees + 1, n, partial(_student, degrees, n))


def _bodies(n: int, share: float) -> dict[str, Draw]:
    """The spectra of large noise matrices take long: none at 10,000."""
    tail = round(share * n)

    def lognormal(rng: np.random.Generator) -> Floats:
        body = rng.lognormal(size=n - tail)
        return np.concatenate((body, pareto(2.5, float(np.quantile(body, 1 - share)), tail, rng)))

    def bulk(rng: np.random.Generator) -> Floats:
        return np.concatenate((noise(n - tail)[int(rng.integers(NOISES))], pareto(2.5, 2.25, tail, rng)))

    return {"behind a lognormal": lognormal, **({"beyond the edge": bulk} if n <= 1000 else {})}


def _student(degrees: int, n: int, rng: np.random.Generator) -> Floats:
    return np.abs(rng.standard_t(degrees, n))


def _short_row(name: str, alpha: float, n: int, draw: Draw) -> Row:
    rng = generator("short", name, n)
    fits = [fit_power_law(draw(rng)) for _ in range(SHORT_REPLICATES)]
    tested = [fit_power_law(draw(rng), bootstrap=50, rng=rng) for _ in range(TESTED if n <= 1000 else 0)]
    refused = [[fit.status.code == "not_a_power_law" for fit in some] for some in (fits, tested)]
    share = np.median([fit.n_tail / fit.n for fit in fits])
    return [
        name, alpha, n, f"{np.median([fit.alpha for fit in fits]):.2f}", f"{100 * share:.0f} %",
        *(f"{100 * np.mean(some):.0f} %" if some else "-" for some in refused),
    ]  # fmt: skip


def bootstrap_rows() -> Iterator[Row]:
    """The same with the bootstrap interval, xmin searched for in each of 100 replicates."""
    for name, xmin in (
        ("pure, xmin scanned", None),
        ("20 % tail beyond the edge", 2.25),
        ("20 % tail over the bulk", 1.0),
    ):
        for alpha in (2.5, 3.0, 4.0):
            rng = generator("bootstrap", name, alpha)
            fits = []
            for _ in range(REPLICATES):
                x = pareto(alpha, 1.0, 500, rng) if xmin is None else mixture(alpha, xmin, 500, rng)
                fits.append(fit_power_law(x, bootstrap=100, rng=rng))
            refused = np.mean([not fit.status.ok for fit in fits])
            row = summary([f.alpha for f in fits], [f.alpha_interval for f in fits], alpha)
            yield [name, alpha, 500, *row, f"{100 * refused:.0f} %"]
