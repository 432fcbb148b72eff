"""The eigenvalues that a quadrature rule knows one by one."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats, Spectrum

__all__ = ["are_outliers", "outlier_numbers", "outliers_of"]


def outliers_of(spectrum: Spectrum, *, magnitudes: bool) -> Floats:
    """Positive nodes above every node that is not one eigenvalue (mass 1/dimension), so that no larger one is missing.

    With ``magnitudes``, the same by absolute value, negative outliers included.
    """
    values = np.abs(spectrum.values) if magnitudes else spectrum.values
    single = _single(spectrum)
    bulk = max(values[~single].max(initial=0.0), 0.0)
    found: Floats = np.sort(values[single & (values > bulk)])
    return found


def are_outliers(spectrum: Spectrum) -> npt.NDArray[np.bool_]:
    """(n,) which nodes are one eigenvalue and lie beyond all others on their side of zero; none where all are one."""
    single = _single(spectrum)
    others = spectrum.values[~single]
    if not others.size:
        return np.zeros_like(single)
    above, below = max(float(others.max()), 0.0), min(float(others.min()), 0.0)
    return single & ((spectrum.values > above) | (spectrum.values < below))


def outlier_numbers(spectrum: Spectrum) -> dict[str, float]:
    """How many there are, of quadrature rules of operators that are no Gram matrices."""
    if spectrum.estimator.method != "quadrature" or spectrum.source.kind.bulk:
        return {}
    return {"outliers": float(are_outliers(spectrum).sum())}


def _single(spectrum: Spectrum) -> npt.NDArray[np.bool_]:
    return np.isclose(spectrum.masses * spectrum.dimension, 1.0, rtol=1e-9, atol=0.0)
