"""`fit_marchenko_pastur`: a Marchenko-Pastur bulk with spikes, from the eigenvalues of a matrix."""

from __future__ import annotations

import warnings
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import GENERATOR, checked, optional
from htmu_diag.fits.bulk import failed_bulk, fit_bulks
from htmu_diag.fits.bulk_rounds import Asked
from htmu_diag.fits.checked_sample import Sample, check_gamma, checked_masses, checked_sample
from htmu_diag.fits.results import BulkFit

__all__ = ["fit_marchenko_pastur", "fit_marchenko_pasturs"]


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
    if weights is None:
        return fit_marchenko_pasturs([(values, gamma)])[0]
    check_gamma(gamma)
    masses = checked_masses(values, weights)
    sample = checked_sample(values, positive=False)
    if not sample.status.ok:
        return failed_bulk(gamma, sample.values.size, sample.status)
    return fit_bulks([Asked(sample.values, gamma, masses)])[0]


def fit_marchenko_pasturs(samples: Sequence[tuple[npt.ArrayLike | Sample, float]]) -> list[BulkFit]:
    """`fit_marchenko_pastur` of many (values, gamma) at once: to each the same as alone."""
    found: list[BulkFit | None] = []
    asked = []
    for values, gamma in samples:
        check_gamma(gamma)
        sample = checked_sample(values, positive=False)
        found.append(None if sample.status.ok else failed_bulk(gamma, sample.values.size, sample.status))
        if sample.status.ok:
            asked.append(Asked(sample.values, gamma))
    fits = iter(fit_bulks(asked))
    return [next(fits) if each is None else each for each in found]
