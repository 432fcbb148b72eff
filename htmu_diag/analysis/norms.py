"""Norms of a weight matrix as the literature on weight spectra reports them, from its eigenvalues.

They are norms of W itself, whatever the eigenvalues were divided by: with l_i the eigenvalues of W W^T / N, N the
larger side, ||W||_F^2 = N sum l_i, ||W||_2^2 = N max l_i, and the alpha-norm of Martin, Peng & Mahoney (Nature
Communications 2021) is sum (N l_i)^alpha. Their "weighted alpha" (alpha-hat) is alpha log10 ||W||_2^2.
"""

from __future__ import annotations

import math

import numpy as np

from htmu_diag.spectrum import Spectrum

__all__ = ["weight_norms"]


def weight_norms(spectrum: Spectrum, alpha: float) -> dict[str, float]:
    """Decimal logarithms by their names in `quantities`; empty for other spectra than those of weight matrices."""
    source, values = spectrum.source, spectrum.values
    if not source.kind.of_weights or not values.size or not values[-1] > 0:
        return {}
    spectral = math.log10(values[-1]) + math.log10(max(source.shape))
    with np.errstate(over="ignore"):
        relative = values / values[-1]  # no power of these overflows
    powers = (relative if values[0] >= 0 else np.maximum(relative, 0.0)) ** alpha
    return {
        "log_frobenius_norm": spectral + _log10(float(relative.sum())),
        "log_spectral_norm": spectral,
        "log_alpha_norm": alpha * spectral + float(np.log10(powers.sum())),
        "alpha_weighted": alpha * spectral,
    }


def _log10(total: float) -> float:
    """NaN where negative values, which no Gram matrix has, outweigh the others."""
    return math.log10(total) if total > 0 else math.nan
