"""HTMP log density of 1,000 points: ours, cold (new parameters) and warm, beside the closed formula through mpmath.

    OMP_NUM_THREADS=1 python -m benchmarks.htmp_speed

The mpmath time is that of 100 of the points, times ten; its answers are compared with ours in the same run. The last
table is the slowest cold call over a grid of the whole domain.
"""

from __future__ import annotations

import itertools
import math
import statistics
import time
from collections.abc import Callable

import mpmath
import numpy as np

from benchmarks.common import record
from htmu_diag.laws import HTMP
from htmu_diag.laws.htmp_table import table

POINTS = np.geomspace(1e-3, 6.0, 1000)
REPEATS = 9


def mpmath_logpdf(gamma: float, kappa: float, x: float) -> float:
    """The closed formula at mpmath's default 15 digits."""
    c = kappa / 2
    a = c * (1 / gamma - 1) - 1
    y = x * c / gamma
    tricomi = mpmath.hyperu(c, -a, mpmath.mpc(-y, -0.0))
    norm = math.log(c / gamma) - math.lgamma(c + 1) - math.lgamma(a + c + 1)
    return float(norm + a * math.log(y) - y - 2 * mpmath.log(abs(tricomi)))


def seconds(call: Callable[[], object], repeats: int = REPEATS) -> float:
    """Median CPU seconds; unlike ``cpu_seconds`` without a call that warms the table up."""
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def cold(gamma: float, kappa: float, x: np.ndarray) -> float:
    """A call that must build its table."""

    def call() -> None:
        table.cache_clear()
        HTMP(gamma, kappa).logpdf(x)

    return seconds(call)


def compare(gamma: float, kappa: float) -> list[object]:
    """One row of the first table."""
    law, few = HTMP(gamma, kappa), POINTS[5::10]
    slow = 10.0 * seconds(lambda: [mpmath_logpdf(gamma, kappa, float(x)) for x in few], repeats=1)
    apart = max(abs(law.logpdf(x) - mpmath_logpdf(gamma, kappa, float(x))) for x in few[::10])
    new, old = cold(gamma, kappa, POINTS), seconds(lambda: law.logpdf(POINTS))
    return [f"({gamma}, {kappa})", slow * 1e3, new * 1e3, old * 1e3, round(slow / new), round(slow / old), float(apart)]


def main() -> None:
    rows = [compare(gamma, kappa) for gamma, kappa in ((0.25, 4.0), (0.25, 50.0))]
    columns = ["(gamma, kappa)", "mpmath ms", "cold ms", "warm ms", "times faster, cold", "warm", "largest difference"]
    record("HTMP log density of 1,000 points", columns, rows, "Median CPU time, one thread.")
    grid = itertools.product((0.01, 0.1, 0.5, 0.9, 0.99, 1.0), (1e-3, 0.1, 1.0, 10.0, 100.0, 1e3, 1e4))
    x = np.geomspace(1e-10, 30.0, 1000)
    times = sorted(((cold(g, k, x) * 1e3, f"({g}, {k})") for g, k in grid), reverse=True)
    rows = [["slowest", times[0][1], times[0][0]], ["median", "", statistics.median(t for t, _ in times)]]
    record(
        "HTMP over its domain, 1,000 points, cold", ["call", "(gamma, kappa)", "ms"], rows, "Six gammas, seven kappas."
    )


if __name__ == "__main__":
    main()
