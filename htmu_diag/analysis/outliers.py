"""The eigenvalues that a quadrature rule knows one by one."""

from __future__ import annotations

import numpy as np

from htmu_diag.spectrum import Floats, Spectrum

__all__ = ["outliers_of"]


def outliers_of(spectrum: Spectrum, *, magnitudes: bool) -> Floats:
    """Positive nodes above every node that is not one eigenvalue (mass 1/dimension), so that no larger one is missing.

    With ``magnitudes``, the same by absolute value, negative outliers included.
    """
    values = np.abs(spectrum.values) if magnitudes else spectrum.values
    single = np.isclose(spectrum.masses * spectrum.dimension, 1.0, rtol=1e-9, atol=0.0)
    bulk = max(values[~single].max(initial=0.0), 0.0)
    found: Floats = np.sort(values[single & (values > bulk)])
    return found
