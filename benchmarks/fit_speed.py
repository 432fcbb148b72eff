"""Times fits beside the powerlaw package in one run.

    OMP_NUM_THREADS=1 python -m benchmarks.fit_speed [FOLDER WITH ANOTHER powerlaw]

The folder holds a second version of the peer: pip install --no-deps --target FOLDER powerlaw==1.5. CPU time, medians.
"""

from __future__ import annotations

import importlib
import sys
import time
from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.common import cpu_seconds, record
from htmu_diag.fits import fit_htmp, fit_inverse_gamma, fit_marchenko_pastur, fit_power_law
from htmu_diag.fits.cross_check import powerlaw_fit
from htmu_diag.fits.scan import scan
from htmu_diag.laws.ensembles import beta_laguerre, wishart
from htmu_diag.spectrum import Floats

SIZES = (256, 1024, 4096, 16384)
Row = list[object]


def samples(n: int, rng: np.random.Generator) -> Iterator[tuple[str, Floats]]:
    yield "Pareto, alpha 3", np.sort(rng.random(n) ** -0.5)
    yield "lognormal, sigma 1", np.sort(rng.lognormal(size=n))


def scan_rows(largest: int) -> Iterator[Row]:
    """Ours against the peer on the same values, and the largest difference of the answers."""
    rng = np.random.default_rng(0)
    for n in (size for size in SIZES if size <= largest):
        for name, values in samples(n, rng):
            ours = cpu_seconds(lambda x=values: scan(x), 20)  # type: ignore[misc]
            theirs = once(lambda x=values: powerlaw_fit(x))  # type: ignore[misc]
            fit, peer = scan(values), powerlaw_fit(values) if n <= 1024 else None
            difference = abs(fit.ks_distance - float(peer.power_law.D)) if fit and peer else float("nan")
            yield [name, n, 1e3 * ours, 1e3 * theirs, theirs / ours, difference]


def once(call: Callable[[], object]) -> float:
    """CPU seconds of one call: the peer takes many seconds at the larger sizes."""
    start = time.process_time()
    call()
    return time.process_time() - start


def fit_rows() -> Iterator[Row]:
    rng = np.random.default_rng(0)
    heavy = rng.random(1000) ** -0.5
    yield ["fit_power_law, 1,000 bootstrap replicates", 1000, 1e3 * once(lambda: fit_power_law(heavy, bootstrap=1000))]
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


def main() -> None:
    if len(sys.argv) > 1:
        sys.path.insert(0, sys.argv[1])
    version = importlib.import_module("powerlaw").__version__
    columns = ("sample", "n", "ours, ms", "powerlaw, ms", "times faster", "KS difference")
    record(f"xmin scan beside powerlaw {version}", columns, list(scan_rows(16384)), "CPU time, one thread.")
    record("Fits", ("fit", "n", "ms"), list(fit_rows()), "CPU time, one thread.")


if __name__ == "__main__":
    main()
