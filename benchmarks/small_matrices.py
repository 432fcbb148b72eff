"""One whole diagnosis beside the linear algebra of its matrix, by size; two checkouts in turns.

    python -m benchmarks.small_matrices [--before CHECKOUT] [--sizes 32 64 128 256 384 768 gpt] [--rounds 3]

CPU milliseconds a matrix of n x 4n (noise, noise with n/8 spikes, heavy-tailed rows; eight seeds each), tables of the
shape filled: alone, `diagnose` of one after the other, the median; together, `diagnose_all` of the 24, as live
snapshots and `analyze` do it (a checkout without it: one after the other). "gpt": all 39 matrices of a GPT of 6
blocks of width 128, summed. The table goes to RESULTS.md. Each round is a process of its own with one BLAS thread,
the two checkouts take turns, and the smallest of the rounds counts. Linear algebra: the Gram matrix in float32, its
eigenvalues in float64.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
from pathlib import Path

from benchmarks.common import record

MEASURE = """
import json, statistics, sys, time
import numpy as np
from htmu_diag.analysis import diagnose
from htmu_diag.spectrum import Kind, Source, Spectrum

def matrix(n, seed, columns=None):
    rng = np.random.default_rng(seed)
    columns = columns or 4 * n
    values = rng.standard_normal((n, columns))
    if seed % 3 == 1:
        spikes = (rng.standard_normal((n, n // 8)) * np.sqrt(rng.pareto(2.0, n // 8) + 1)) / np.sqrt(n)
        values += spikes @ rng.standard_normal((n // 8, columns))
    return values * (rng.pareto(3.0, (n, 1)) + 1) if seed % 3 == 2 else values

def timed(work):
    began = time.process_time()
    work()
    return 1e3 * (time.process_time() - began)

try:
    from htmu_diag.analysis import diagnose_all
except ImportError:
    def diagnose_all(spectra):
        for spectrum in spectra:
            diagnose(spectrum)

def measured(matrices):  # milliseconds of linear algebra and of the diagnosis of each, and of all diagnoses together
    single = [m.astype(np.float32) for m in matrices]
    algebra = [timed(lambda: np.linalg.eigvalsh((m @ m.T).astype(np.float64))) for m in single]
    spectra = [
        Spectrum.exact(np.linalg.eigvalsh(m @ m.T) / m.shape[1], Source(Kind.WEIGHTS, f"layer{i}", m.shape))
        for i, m in enumerate(matrices)
    ]
    for spectrum in spectra:
        diagnose(spectrum)
    diagnose_all(spectra)
    together = min(timed(lambda: diagnose_all(spectra)) for _ in range(3))
    return algebra, [timed(lambda: diagnose(spectrum)) for spectrum in spectra], together

GPT = [(128, 128)] * 24 + [(128, 512)] * 12 + [(65, 128)] * 2 + [(64, 128)]
found = {}
for size in sys.argv[1:]:
    gpt = size == "gpt"
    shapes = GPT if gpt else [(int(size), 4 * int(size))] * 24
    algebra, alone, together = measured([matrix(n, i, N) for i, (n, N) in enumerate(shapes)])
    of = sum if gpt else statistics.median
    found[size] = [of(algebra), of(alone), together if gpt else together / len(shapes)]
print(json.dumps(found))
"""


def measured(package: Path, sizes: list[str]) -> dict[str, list[float]]:
    """Milliseconds by size: of the linear algebra, alone, together."""
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    environment = {**os.environ, **one_thread, "PYTHONPATH": str(package)}
    command = [sys.executable, "-c", MEASURE, *sizes]
    done = subprocess.run(command, cwd=package, env=environment, capture_output=True, text=True, check=True)
    found: dict[str, list[float]] = json.loads(done.stdout)
    return found


def main() -> None:
    """A line a size."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--before", type=Path, help="a checkout of the package to compare with")
    parser.add_argument("--sizes", nargs="+", default=["32", "64", "128", "256", "384", "768", "gpt"])
    parser.add_argument("--rounds", type=int, default=3)
    given = parser.parse_args()
    places = {"before": given.before.resolve()} if given.before else {}
    places["now"] = Path(__file__).resolve().parents[1]
    rounds = [[measured(place, given.sizes) for place in places.values()] for _ in range(given.rounds)]
    columns = ["n", "linear algebra", *(f"{how}, {when}" for when in places for how in ("alone", "together"))]
    found: list[list[object]] = []
    for n in given.sizes:
        algebra = min(run[n][0] for one in rounds for run in one)
        costs = [min(one[i][n][way] for one in rounds) for i in range(len(places)) for way in (1, 2)]
        found.append([n, *(f"{cost:.2f}" for cost in (algebra, *costs)), f"{costs[-1] / algebra:.2f}", goal(n)])
    note = f"CPU ms a matrix, smallest of {given.rounds} rounds, one BLAS thread."
    record("A diagnosis by size", [*columns, "together / linear algebra", "goal, together"], found, note)


def goal(size: str) -> str:
    """What a diagnosis should cost at most."""
    if size == "gpt":
        return "80 ms"
    return "1 ms" if int(size) <= 128 else "0.3 of linear algebra" if int(size) >= 384 else ""


if __name__ == "__main__":
    main()
