"""`fit_marchenko_pastur`: a Marchenko-Pastur bulk with spikes, from the eigenvalues of a matrix."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.bulk import failed_bulk, fit_bulk
from htmu_diag.fits.bulk_null import bulk_p_value
from htmu_diag.fits.checked_sample import check_gamma, checked_masses, checked_sample
from htmu_diag.fits.results import BulkFit

__all__ = ["fit_marchenko_pastur"]


def fit_marchenko_pastur(
    values: npt.ArrayLike,
    gamma: float,
    *,
    bootstrap: int = 0,
    rng: np.random.Generator | None = None,
    weights: npt.ArrayLike | None = None,
) -> BulkFit:
    """Fit scale and spikes to the eigenvalues (n,) of the smaller Gram matrix over the larger side.

    gamma: smaller side over larger, in (0, 1]. weights: (n,) masses of a quadrature rule, in eigenvalues (they sum to
    the dimension). bootstrap: noise matrices behind the p-value; 0 gives NaN, and so do weights. rng: draws them;
    without one the null law of a shape is drawn once from a fixed seed and kept, so that equal spectra have equal
    p-values.
    """
    check_gamma(gamma)
    masses = checked_masses(values, weights)
    sample = checked_sample(values, positive=False)
    if not sample.status.ok:
        return failed_bulk(gamma, sample.values.size, sample.status)
    fit = fit_bulk(sample.values, masses, gamma)
    if bootstrap <= 0 or not fit.status.ok or weights is not None:
        return fit
    return replace(fit, p_value=bulk_p_value(fit.n, gamma, fit.ks_distance, bootstrap, rng))
