"""From the fits of a spectrum to the evidence that its phase rests on."""

from __future__ import annotations

import math
import sys

from htmu_diag.fits import BulkFit, TailFit
from htmu_diag.fits.quantiles import quantile_of_sorted
from htmu_diag.spectrum import Floats, Spectrum
from htmu_diag.theory import Evidence, Phase
from htmu_diag.theory.near_zero import noise_quartiles
from htmu_diag.theory.spikes import bbp_threshold, signal_strength

__all__ = ["allowed_by_shape", "phase_evidence", "pooled_matrices", "tail_within"]

_EPS = sys.float_info.epsilon


def allowed_by_shape(values: Floats, shape: tuple[int, int]) -> Floats:
    """Ascending eigenvalues without the zeros that a Gram matrix larger than the matrix's rank has by construction."""
    return values[max(values.size - min(shape), 0) :]


def pooled_matrices(spectrum: Spectrum) -> int:
    """Matrices whose eigenvalues lie together in it: a spectrum of one has no more than its smaller side.

    A kernel of features (orientation "inverse") may have more: zeros, where there are more samples than features.
    """
    if spectrum.source.kind.orientation == "inverse":
        return 1
    return math.ceil(spectrum.values.size / max(min(spectrum.source.shape), 1))


def phase_evidence(
    values: Floats, near_zero: float, tail: TailFit, bulk: BulkFit, gamma: float, alpha_noise: float
) -> Evidence:
    """values: (n,) ascending, those that the shape allows. Numbers that a fit does not have are NaN."""
    return Evidence(
        values.size,
        near_zero,
        bulk.p_value,
        bulk.n_spikes,
        _strength(bulk, gamma),
        tail.verdict,
        tail.alpha,
        tail.alpha_interval[1],
        alpha_noise,
        tail.n_tail / max(values.size, 1),
        math.log10(values[-1] / tail.xmin) if tail.xmin > 0 else math.nan,
        *_widths(values, gamma),
    )


def tail_within(tail: TailFit, phase: Phase, n_spikes: int) -> TailFit:
    """The tail as it is judged in a spectrum of this phase; the two are one rule and never contradict each other.

    Beside a bulk of noise a tail may be that of the spikes, but not where the bulk has the most of it.
    """
    if phase.is_noise or (phase is Phase.BULK_AND_SPIKES and n_spikes < tail.n_tail / 2):
        return tail.as_of_noise()
    return tail.as_of_signal() if phase in (Phase.BULK_DECAY, Phase.HEAVY_TAILED) else tail


def _widths(values: Floats, gamma: float) -> tuple[float, float]:
    """Of the spectrum and of its middle half, in units of its median, over those of noise; NaN without a median."""
    median = quantile_of_sorted(values, 0.5) if values.size else 0.0
    if not median > 0:
        return math.nan, math.nan
    low, high = quantile_of_sorted(values, 0.25), quantile_of_sorted(values, 0.75)
    of_noise = noise_quartiles(gamma)
    whole, half = 4 * math.sqrt(gamma) / of_noise[1], (of_noise[2] - of_noise[0]) / of_noise[1]
    return float(values[-1] - values[0]) / median / whole, (high - low) / median / half


def _strength(bulk: BulkFit, gamma: float) -> float:
    """Of the largest spike, in units of the strength from which a direction shows."""
    if bulk.n_spikes == 0 or not bulk.scale > 0:
        return math.nan
    edge = (1 + math.sqrt(gamma)) ** 2
    largest = max(float(bulk.spikes[-1]) / bulk.scale, edge * (1 + _EPS))
    return signal_strength(largest, gamma) / bbp_threshold(gamma)
