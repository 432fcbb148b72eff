"""Times fits beside the powerlaw package in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.fit_speed [FOLDER WITH ANOTHER powerlaw]

The folder holds a second version of the peer (pip install --no-deps --target FOLDER powerlaw==1.5), to which the scan
alone is then compared. CPU time, medians.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator
from typing import TypeVar

import numpy as np

from benchmarks.common import cpu_seconds, record
from htmu_diag.fits import fit_htmp, fit_inverse_gamma, fit_marchenko_pastur, fit_power_law
from htmu_diag.fits.cross_check import powerlaw_fit
from htmu_diag.fits.scan import scan
from htmu_diag.laws.ensembles import beta_laguerre, wishart
from htmu_diag.laws.htmp_table import table
from htmu_diag.spectrum import Floats

SIZES = (256, 1024, 4096, 16384)
Row = list[object]
T = TypeVar("T")


def samples(n: int, rng: np.random.Generator) -> Iterator[tuple[str, Floats]]:
    yield "Pareto, alpha 3", np.sort(rng.random(n) ** -0.5)
    yield "lognormal, sigma 1", np.sort(rng.lognormal(size=n))


def scan_rows() -> Iterator[Row]:
    """Ours against the peer on the same values, and the largest difference in xmin, alpha and the KS distance."""
    rng = np.random.default_rng(0)
    for n in SIZES:
        for name, values in samples(n, rng):
            ours = cpu_seconds(lambda x=values: scan(x), 20)  # type: ignore[misc]
            theirs, peer = timed(lambda x=values: powerlaw_fit(x))  # type: ignore[misc]
            fit = fit_power_law(values)
            law = peer.power_law
            apart = max(abs(fit.xmin - peer.xmin), abs(fit.alpha - law.alpha), abs(fit.ks_distance - law.D))
            yield [name, n, 1e3 * ours, 1e3 * theirs, theirs / ours, float(apart)]


def timed(call: Callable[[], T]) -> tuple[float, T]:
    """CPU seconds of one call, and its answer: the peer takes many seconds at the larger sizes."""
    start = time.process_time()
    answer = call()
    return time.process_time() - start, answer


def fit_rows() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    heavy = rng.random(1000) ** -0.5
    yield ["fit_power_law, 1,000 bootstrap replicates", 1000, _ms(lambda: fit_power_law(heavy, bootstrap=1000))]
    repelled = beta_laguerre(1000, 0.5, 4.0, rng=rng)
    for name, fit in HTMP_FITS.items():
        table.cache_clear()
        yield [f"fit_htmp{name}, first of its shape", 1000, _ms(lambda f=fit: f(repelled))]  # type: ignore[misc]
    for n in (128, 512, 1000, 4096):
        noise, repelled = wishart(n, 2 * n, rng=rng), beta_laguerre(n, 0.5, 4.0, rng=rng)
        calls: dict[str, Callable[[], object]] = {
            "fit_power_law": lambda x=noise: fit_power_law(x),  # type: ignore[misc]
            "fit_marchenko_pastur": lambda x=noise: fit_marchenko_pastur(x, 0.5),  # type: ignore[misc]
            "fit_htmp": lambda x=repelled: fit_htmp(x, 0.5),  # type: ignore[misc]
            "fit_inverse_gamma": lambda x=1 / repelled: fit_inverse_gamma(x),  # type: ignore[misc]
        }
        for name, call in calls.items():
            yield [name, n, 1e3 * cpu_seconds(call)]


HTMP_FITS: dict[str, Callable[[Floats], object]] = {
    "": lambda x: fit_htmp(x, 0.5),
    ", orientation='auto'": lambda x: fit_htmp(x, 0.5, orientation="auto"),
    ", floor='fit'": lambda x: fit_htmp(x + 0.5, 0.5, floor="fit"),
    ", the largest 200": lambda x: fit_htmp(x[-200:], 0.5, dimension=1000),
}


def ensemble_rows() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    for n in (1000, 10_000, 100_000):
        yield ["beta_laguerre, gamma 0.5, kappa 3", n, _ms(lambda k=n: beta_laguerre(k, 0.5, 3.0, rng=rng))]  # type: ignore[misc]
    yield ["beta_laguerre, gamma 1, kappa 3", 10_000, _ms(lambda: beta_laguerre(10_000, 1.0, 3.0, rng=rng))]
    yield ["beta_laguerre, gamma 0.5, kappa 100", 10_000, _ms(lambda: beta_laguerre(10_000, 0.5, 100.0, rng=rng))]
    yield ["wishart", 1000, _ms(lambda: wishart(1000, 2000, rng=rng))]


def _ms(call: Callable[[], object]) -> float:
    return 1e3 * timed(call)[0]


def main() -> None:
    if len(sys.argv) > 1:
        sys.path.insert(0, sys.argv[1])
    version = importlib.import_module("powerlaw").__version__
    columns = ("sample", "n", "ours, ms", "powerlaw, ms", "times faster", "largest difference")
    record(f"xmin scan beside powerlaw {version}", columns, list(scan_rows()), "CPU time, one thread.")
    if len(sys.argv) == 1:
        record("Fits", ("fit", "n", "ms"), list(fit_rows()), "CPU time, one thread.")
        record("Samplers of eigenvalues", ("sampler", "n", "ms"), list(ensemble_rows()), "CPU time, one thread.")


if __name__ == "__main__":
    main()
