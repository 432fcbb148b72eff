"""Rows of docs/calibration.md on what noise and the model's own matrices look like: see ``benchmarks.calibration``."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np

from benchmarks.common import generator
from htmu_diag.analysis.evidence import phase_evidence
from htmu_diag.fits import TailFit, fit_htmp, fit_marchenko_pastur, fit_power_law
from htmu_diag.fits.results import Status
from htmu_diag.laws.ensembles import beta_laguerre, wishart
from htmu_diag.spectrum import Floats
from htmu_diag.theory import Phase, classify
from htmu_diag.theory.near_zero import near_zero_share
from htmu_diag.theory.predictions import scanned_noise_exponent

__all__ = ["htmp_rows", "initial_rows", "noise_rows"]

Row = list[object]
Matrix = Callable[[int, int, np.random.Generator], Floats]
KAPPAS = (0.3, 1.0, 3.0, 10.0, 30.0, 0.0)  # 0: kappa = n, the Wishart ensemble
HTMP_SHAPES = {(100, 0.25): 250, (100, 1.0): 250, (330, 0.5): 250, (1000, 0.8): 60}  # draws
NOISE_DRAWS, INITIAL_DRAWS = 300, 200
SHAPES = (
    (64, 64), (128, 128), (200, 200), (64, 128), (64, 256), (96, 384), (128, 256), (128, 512), (100, 300), (160, 200),
    (48, 432), (40, 1000),
)  # fmt: skip
_NO_TAIL = TailFit(np.nan, np.nan, np.nan, 0, 0, np.nan, status=Status("not_a_power_law", "not fitted"))


def htmp_rows() -> Iterator[Row]:
    """Shares of the tabulated p-values on the model's own matrices, where they should be 1, 5, 10 and 50 %."""
    for kappa in KAPPAS:
        for inverse in (False, True):
            p = np.array([_p(x, gamma, inverse) for x, gamma in _htmp_draws(kappa)])
            p = p[np.isfinite(p)]
            shares = [f"{100 * np.mean(p < level):.1f} %" for level in (0.01, 0.05, 0.1, 0.5)]
            yield ["inverse" if inverse else "direct", kappa or "n", p.size, *shares]


def _htmp_draws(kappa: float) -> Iterator[tuple[Floats, float]]:
    for (n, gamma), draws in HTMP_SHAPES.items():
        rng = generator("htmp p", n, gamma, kappa)
        yield from ((beta_laguerre(n, gamma, kappa or n, rng=rng), gamma) for _ in range(draws))


def _p(x: Floats, gamma: float, inverse: bool) -> float:
    if not inverse:
        return fit_htmp(x, gamma).p_value
    return fit_htmp(1 / x, gamma, orientation="inverse", resolution=0.0).p_value if x[0] > 1e-290 else np.nan


def noise_rows() -> Iterator[Row]:
    """What the power-law fit says of pure noise without a bootstrap, by shape."""
    for n in (50, 100, 300, 1000):
        for gamma in (0.05, 0.25, 1.0):
            rng = generator("noise", n, gamma)
            draws = [wishart(n, round(n / gamma), rng=rng) for _ in range(NOISE_DRAWS)]
            fits = [fit_power_law(x) for x in draws]
            low, middle, high = np.nanquantile([fit.alpha for fit in fits], (0.05, 0.5, 0.95))
            refused = np.mean([fit.status.code == "not_a_power_law" for fit in fits])
            bulks = [fit_marchenko_pastur(x, gamma) for x in draws]
            spikes, error = np.mean([bulk.n_spikes for bulk in bulks]), np.std([bulk.scale for bulk in bulks])
            yield [n, gamma, f"{middle:.1f}", f"{low:.1f} to {high:.1f}", f"{100 * refused:.0f} %", f"{spikes:.3f}",
                   f"{100 * error:.1f} %"]  # fmt: skip


INITIAL: dict[str, Matrix] = {
    "Gaussian": lambda p, n, r: r.standard_normal((p, n)),
    "nn.Linear": lambda p, n, r: r.uniform(-1, 1, (p, n)) / np.sqrt(n),
    "nn.Conv2d, 3 x 3": lambda p, n, r: r.uniform(-1, 1, (p, n // 9 + 1, 9)).reshape(p, -1)[:, :n] / np.sqrt(n),
    "nn.Embedding": lambda p, n, r: r.standard_normal((n, p)).T,
    "truncated normal": lambda p, n, r: np.clip(r.standard_normal((p, n)), -2, 2),
}


def initial_rows() -> Iterator[Row]:
    """Matrices at initialisation: p of the bulk, spikes, and how often the phase is past random-like."""
    every: list[tuple[Phase, float, int]] = []
    for name, make in INITIAL.items():
        found = [_phase(make(*shape, rng), shape) for shape in SHAPES for rng in _seeds(name, shape)]
        every += found
        yield [name, *_shares(found)]
    yield ["together", *_shares(every)]


def _seeds(name: str, shape: tuple[int, int]) -> Iterator[np.random.Generator]:
    rng = generator("initial", name, shape)
    return (np.random.default_rng(rng.integers(2**63)) for _ in range(INITIAL_DRAWS))


def _phase(matrix: Floats, shape: tuple[int, int]) -> tuple[Phase, float, int]:
    """As `diagnose` says it; the tail, which tells bulk-decay from heavy-tailed only, is not fitted."""
    values, gamma = np.linalg.eigvalsh(matrix @ matrix.T / shape[1]).clip(0), shape[0] / shape[1]
    bulk, noise = fit_marchenko_pastur(values, gamma), scanned_noise_exponent(values.size, gamma)
    evidence = phase_evidence(values, near_zero_share(values, gamma), _NO_TAIL, bulk, gamma, noise)
    return classify(evidence).phase, bulk.p_value, bulk.n_spikes


def _shares(found: list[tuple[Phase, float, int]]) -> Row:
    trained = (Phase.BULK_AND_SPIKES, Phase.BULK_DECAY, Phase.HEAVY_TAILED, Phase.RANK_COLLAPSE)
    counts = (
        np.mean([p < 0.01 for _, p, _ in found]),
        np.mean([p < 0.001 for _, p, _ in found]),
        np.mean([spikes > 0 for _, _, spikes in found]),
        np.mean([phase is Phase.BLEEDING_OUT for phase, _, _ in found]),
        np.mean([phase in trained for phase, _, _ in found]),
    )
    return [len(found), *(f"{100 * share:.2f} %" for share in counts)]
