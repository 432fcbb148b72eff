"""Rows of docs/calibration.md on readings beside the fits: see ``benchmarks.calibration``.

Local repulsion beside the fitted kappa, the band of the predicted alpha, kappa of a bulk beside spikes; each on
matrices whose truth is known, with sizes and seeds that no rule was made on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import partial

import numpy as np
import numpy.typing as npt

from benchmarks.common import generator
from htmu_diag.analysis.repulsion import FULL, POPULATION, REDUCED, read_repulsion
from htmu_diag.fits import fit_htmp, fit_htmp_bulk, fit_marchenko_pastur, fit_power_law, gap_ratio
from htmu_diag.laws.ensembles import beta_laguerre, spiked, wishart
from htmu_diag.spectrum import Floats
from htmu_diag.theory.predictions import predict

__all__ = ["band_rows", "bulk_rows", "gap_rows"]

Row = list[object]
Draw = Callable[[np.random.Generator], Floats]
GAP_DRAWS, BAND_DRAWS, BULK_DRAWS = 40, 150, 100


def _laguerre(n: int, gamma: float, kappa: float, rng: np.random.Generator) -> Floats:
    return beta_laguerre(n, gamma, kappa, rng=rng)


def _blocks(count: int, rows: int, columns: int, rng: np.random.Generator) -> Floats:
    parts = [wishart(rows // count, columns // count, rng=rng) for _ in range(count)]
    return np.sort(np.concatenate(parts))


def _correlated(sigma: float, rows: int, columns: int, rng: np.random.Generator) -> Floats:
    matrix = rng.standard_normal((rows, columns)) * np.exp(sigma * rng.standard_normal(rows))[:, None]
    return np.asarray(np.linalg.eigvalsh(matrix @ matrix.T / columns).clip(0))


def _nine_spikes(rows: int, columns: int, rng: np.random.Generator) -> Floats:
    return spiked(rows, columns, np.geomspace(9.0, 90.0, 9), rng=rng)


def _gap_truth() -> Iterator[tuple[str, int, int, str, Draw]]:
    """Name, rows, columns, the sentence that is true, and how to draw."""
    for kappa in (1.0, 10.0, 50.0):
        yield f"kappa {kappa:g}", 300, 900, REDUCED, partial(_laguerre, 300, 1 / 3, kappa)
        yield f"kappa {kappa:g}", 600, 750, REDUCED, partial(_laguerre, 600, 0.8, kappa)
    for rows, columns in ((320, 960), (600, 800)):
        yield "noise", rows, columns, FULL, partial(_blocks, 1, rows, columns)
        for count in (2, 4, 8):
            yield f"{count} blocks of noise", rows, columns, REDUCED, partial(_blocks, count, rows, columns)
    for rows, columns in ((300, 900), (450, 500)):
        for sigma in (0.5, 1.0):
            draw = partial(_correlated, sigma, rows, columns)
            yield f"rows of lognormal variance, {2 * sigma:g}", rows, columns, POPULATION, draw
        yield "noise and 9 spikes", rows, columns, POPULATION, partial(_nine_spikes, rows, columns)


def gap_rows() -> Iterator[Row]:
    for name, rows, columns, sentence, draw in _gap_truth():
        rng = generator("gaps", name, rows)
        found = []
        for _ in range(GAP_DRAWS):
            x = draw(rng)
            gaps, fit = gap_ratio(x), fit_htmp(x, rows / columns)
            found.append((gaps.mean, fit.kappa, read_repulsion(x, rows / columns, fit, gaps, inverse=False)))
        z = np.array([reading.z for _, _, reading in found])
        said = np.mean([reading.sentence == sentence for _, _, reading in found])
        kappa = np.median([kappa for _, kappa, _ in found])
        yield [
            name, f"{rows} x {columns}", f"{np.mean([mean for mean, _, _ in found]):.3f}",
            f"{min(kappa, rows):.3g}", f"{np.median(z):+.1f}", _share(np.abs(z) < 2), _share(z > 5), _share([said]),
        ]  # fmt: skip


def band_rows() -> Iterator[Row]:
    """How often the measured alpha of the model's own matrices lies in the band that their fit predicts."""
    for inverse in (False, True):
        for kappa in (0.3, 1.0, 3.0, 10.0, 40.0, 0.0):
            inside = [held for shape in ((80, 0.3), (250, 0.6), (700, 0.15)) for held in _held(*shape, kappa, inverse)]
            yield ["inverse" if inverse else "direct", kappa or "n", len(inside), _share(inside)]


def _held(n: int, gamma: float, kappa: float, inverse: bool) -> Iterator[bool]:
    rng = generator("band", n, gamma, kappa, inverse)
    for _ in range(BAND_DRAWS):
        x = beta_laguerre(n, gamma, kappa or n, rng=rng)
        x = 1 / x[::-1] if inverse else x
        tail = fit_power_law(x)
        low, high = predict(fit_htmp(x, gamma, orientation="inverse" if inverse else "direct"), tail).interval
        if np.isfinite(low):
            yield bool(low <= tail.alpha <= high)


def bulk_rows() -> Iterator[Row]:
    """kappa of whole spectra and of their bulks, where the bulk's is known."""
    for n, gamma in ((160, 0.4), (350, 0.25)):
        for kappa in (3.0, 10.0, 30.0, 0.0):
            for count in (5, 15):
                yield _bulk_row(n, gamma, kappa, count)


def _beside_spikes(n: int, gamma: float, kappa: float, count: int, rng: np.random.Generator) -> Floats:
    """The law's values and some beyond them; for noise (kappa 0) directions planted in it."""
    if not kappa:
        return spiked(n, round(n / gamma), np.geomspace(6, 40, count), rng=rng)
    body = beta_laguerre(n - count, gamma, kappa, rng=rng)
    return np.concatenate([body, body[-1] * np.geomspace(2, 12, count)])


def _bulk_row(n: int, gamma: float, kappa: float, count: int) -> Row:
    rng = generator("bulk", n, gamma, kappa, count)
    whole, bulk, inside = [], [], []
    for _ in range(BULK_DRAWS):
        x = _beside_spikes(n, gamma, kappa, count, rng)
        fit = fit_htmp_bulk(x, gamma, fit_marchenko_pastur(x, gamma))
        whole.append(fit_htmp(x, gamma).kappa)
        bulk.append(fit.kappa)
        low, high = fit.kappa_interval
        inside.append(bool(fit.noise) if not kappa else low <= kappa <= high)
    found = float(np.nanmedian(bulk))
    return [
        f"n = {n}, gamma = {gamma:g}", kappa or "n (noise)", count, f"{np.median(whole):.3g}",
        "noise" if found >= n - count else f"{found:.3g}", _share(inside),
    ]  # fmt: skip


def _share(found: npt.ArrayLike) -> str:
    return f"{100 * np.asarray(found, dtype=np.float64).mean():.0f} %"
