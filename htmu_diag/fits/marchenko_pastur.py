"""`fit_marchenko_pastur`: a Marchenko-Pastur bulk with spikes, from the eigenvalues of a matrix."""

from __future__ import annotations

import warnings
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import GENERATOR, checked, optional
from htmu_diag.fits.bulk import failed_bulk, fit_bulk
from htmu_diag.fits.bulk_null import LEAST_P, bulk_p_value, edge_p_value
from htmu_diag.fits.checked_sample import check_gamma, checked_masses, checked_sample
from htmu_diag.fits.results import BulkFit

__all__ = ["fit_marchenko_pastur"]


@checked(rng=optional(GENERATOR))
def fit_marchenko_pastur(
    values: npt.ArrayLike,
    gamma: float,
    *,
    bootstrap: int | None = None,
    rng: np.random.Generator | None = None,
    weights: npt.ArrayLike | None = None,
) -> BulkFit:
    """Fit scale and spikes to the eigenvalues (n,) of the smaller Gram matrix over the larger side.

    gamma: smaller side over larger, in (0, 1]. weights: (n,) masses of a quadrature rule, in eigenvalues (they sum to
    the dimension); they have no p-values. The p-values come from a table of the null laws, which depend on the shape
    alone. bootstrap, rng: without effect since the table replaced the simulation; they will go.
    """
    if bootstrap is not None or rng is not None:
        message = "fit_marchenko_pastur: bootstrap and rng have no effect, p-values come from a table; leave them out"
        warnings.warn(message, DeprecationWarning, stacklevel=3)
    check_gamma(gamma)
    masses = checked_masses(values, weights)
    sample = checked_sample(values, positive=False)
    if not sample.status.ok:
        return failed_bulk(gamma, sample.values.size, sample.status)
    fit = fit_bulk(sample.values, masses, gamma)
    if fit.law is None or weights is not None:
        return fit
    if not fit.status.ok:
        return replace(fit, p_value=LEAST_P, edge_p_value=LEAST_P)
    left, ratio = fit.n - fit.n_spikes, fit.bulk_gamma
    largest = edge_p_value(float(sample.values[-1]) / fit.scale, fit.n, gamma)
    return replace(fit, p_value=bulk_p_value(fit.ks_distance, left, ratio), edge_p_value=largest)
