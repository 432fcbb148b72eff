"""Is the Marchenko-Pastur bulk found beside spikes? OMP_NUM_THREADS=1 python -m benchmarks.bulk_recovery

Gaussian noise plus rank-one parts whose strength is given in units of the threshold at which they leave the bulk (Baik,
Ben Arous & Peche 2005; the squared singular value of the planted part over sqrt(gamma) times the columns), 40 seeds a
row, and 1,000 matrices of pure noise a row for the false spikes. The true scale is 1.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from benchmarks.common import cpu_seconds, record
from htmu_diag.fits import fit_marchenko_pastur
from htmu_diag.laws.ensembles import wishart
from htmu_diag.spectrum import Floats

SEEDS, NOISES = 40, 1000
SHAPES = ((128, 128), (256, 256), (256, 512), (512, 512), (256, 1024))
SPIKES = {
    "5 of 10": (10.0,) * 5,
    "5 of 100": (100.0,) * 5,
    "5 from 10 to 100": (10.0, 18.0, 32.0, 56.0, 100.0),
    "6 from 4 to 100": (4.0, 6.0, 8.0, 10.0, 30.0, 100.0),
}


def planted(rows: int, columns: int, strengths: tuple[float, ...], rng: np.random.Generator) -> Floats:
    """(rows,) eigenvalues of the smaller Gram matrix over columns."""
    matrix = rng.standard_normal((rows, columns))
    for strength in strengths:
        left, right = rng.standard_normal(rows), rng.standard_normal(columns)
        size = np.sqrt(strength * np.sqrt(rows / columns) * columns)
        matrix += size * np.outer(left / np.linalg.norm(left), right / np.linalg.norm(right))
    return np.asarray(np.linalg.svd(matrix, compute_uv=False) ** 2 / columns)


def recovery_rows() -> Iterator[list[object]]:
    for rows, columns in SHAPES:
        for name, strengths in SPIKES.items():
            rng = np.random.default_rng(rows + columns)
            spectra = [planted(rows, columns, strengths, rng) for _ in range(SEEDS)]
            fits = [fit_marchenko_pastur(x, rows / columns) for x in spectra]
            errors = np.array([abs(fit.scale - 1) for fit in fits])
            found = [min(fit.n_spikes, len(strengths)) for fit in fits]
            more = sum(fit.n_spikes > len(strengths) for fit in fits)
            ms = 1e3 * cpu_seconds(lambda x=spectra[0], g=rows / columns: fit_marchenko_pastur(x, g))  # type: ignore[misc]
            yield [f"{rows} x {columns}", name, errors.max(), float(np.mean(errors < 0.02)), min(found), more, ms]


def noise_rows() -> Iterator[list[object]]:
    rng = np.random.default_rng(1)
    for rows, columns in ((20, 20), (50, 200), *SHAPES):
        fits = [fit_marchenko_pastur(wishart(rows, columns, rng=rng), rows / columns) for _ in range(NOISES)]
        false = [fit.n_spikes for fit in fits]
        yield [f"{rows} x {columns}", float(np.mean(false)), max(false), max(abs(fit.scale - 1) for fit in fits)]


PLANTED = ("matrix", "spikes, thresholds", "largest scale error", "within 2 %", "fewest found", "too many", "ms")
PURE = ("matrix", "false spikes a matrix", "most", "largest scale error")


def main() -> None:
    note = (
        "Scale errors are relative; 'too many' counts fits of 40 with more spikes than planted. CPU time, one thread."
    )
    record("Marchenko-Pastur beside spikes", PLANTED, list(recovery_rows()), note)
    record("Marchenko-Pastur on pure noise", PURE, list(noise_rows()), "1,000 matrices a row.")


if __name__ == "__main__":
    main()
