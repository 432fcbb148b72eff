"""kappa of the bulk: HTMP fitted to what lies up to the spike threshold of the Marchenko-Pastur fit.

A few spikes on pure noise drag the kappa of a whole spectrum down to 2: the law has no other way to have a tail. The
likelihood truncated at the threshold asks the bulk alone. Where the bulk is that of noise beside k spikes, an
(n - k) x (N - k) matrix, kappa is N or more; the law of the whole aspect ratio would not see that for many spikes.
The density alone hardly tells it from a kappa of a third of n and more; where the joint density of the eigenvalues
shows a clearly weaker repulsion, the fit is kept (``near_noise``). The p-value is that of a whole spectrum of as many
values: the cut leaves the null law of the KS distance nearly alone.
"""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import RATIO, checked, instance
from htmu_diag.fits.htmp import fit_htmp
from htmu_diag.fits.htmp_problem import noise_status
from htmu_diag.fits.joint_repulsion import FEWEST, MOST, joint_repulsion
from htmu_diag.fits.near_noise import least_of_noise
from htmu_diag.fits.results import BulkFit, LawFit, Status
from htmu_diag.laws import HTMP
from htmu_diag.spectrum import Floats

__all__ = ["fit_htmp_bulk"]

_KEEPS_NOISE = 0.01  # p-value of the Marchenko-Pastur bulk from which on its kappa is that of noise, as its phase is
_MANY = 0.01  # share of spikes from which on the bulk's aspect ratio differs visibly


@checked(gamma=RATIO, bulk=instance("what fit_marchenko_pastur gave", BulkFit))
def fit_htmp_bulk(values: npt.ArrayLike, gamma: float, bulk: BulkFit) -> LawFit:
    """Fit HTMP to the values (n,) up to the threshold of their `fit_marchenko_pastur`; a status where it has none."""
    if not bulk.status.ok:
        return LawFit("HTMP", None, {}, n=bulk.n, status=Status(bulk.status.code, bulk.status.message))
    left = bulk.n - bulk.n_spikes
    array = np.sort(np.asarray(values, dtype=np.float64))
    many = bulk.n_spikes > _MANY * bulk.n
    least = _least_of_noise(array, bulk) if many and bulk.p_value >= _KEEPS_NOISE else None
    if least is not None:
        return _of_noise(bulk, left, least)
    fit = fit_htmp(values, gamma, below=bulk.threshold)
    return replace(fit, n=int(np.count_nonzero(np.asarray(values) <= bulk.threshold)))


def _of_noise(bulk: BulkFit, n: int, least: float) -> LawFit:
    law = HTMP(bulk.bulk_gamma, math.inf, bulk.scale * (1 - bulk.gamma * bulk.n_spikes / bulk.n))
    return LawFit(
        "HTMP",
        law,
        {"kappa": math.inf, "scale": law.scale},
        intervals={"kappa": (least, math.inf)},
        n=n,
        ks_distance=bulk.ks_distance,
        p_value=bulk.p_value,
        status=noise_status(n),
    )


def _least_of_noise(values: Floats, bulk: BulkFit) -> float | None:
    """Lower end of kappa of the bulk of ascending values; None where its repulsion is clearly less than noise's."""
    kept = values[values > values.size * np.finfo(np.float64).eps * values[-1]][: -bulk.n_spikes]
    if not FEWEST <= kept.size <= MOST:
        return 0.0
    n = bulk.n - bulk.n_spikes
    return least_of_noise(joint_repulsion(kept, bulk.bulk_gamma, n - kept.size), n, bulk.bulk_gamma)
