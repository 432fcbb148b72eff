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
from collections.abc import Sequence
from dataclasses import replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import RATIO, checked, instance
from htmu_diag.fits.htmp import Asked, fit_htmps
from htmu_diag.fits.htmp_problem import noise_status
from htmu_diag.fits.joint_repulsion import FEWEST, MOST, joint_repulsion
from htmu_diag.fits.near_noise import least_of_noise
from htmu_diag.fits.results import BulkFit, LawFit, Status
from htmu_diag.laws import HTMP
from htmu_diag.spectrum import Floats

__all__ = ["AskedBulk", "fit_htmp_bulk", "fit_htmp_bulks", "fit_htmps_and_bulks"]

_KEEPS_NOISE = 0.01  # p-value of the Marchenko-Pastur bulk from which on its kappa is that of noise, as its phase is
_MANY = 0.01  # share of spikes from which on the bulk's aspect ratio differs visibly


@checked(gamma=RATIO, bulk=instance("what fit_marchenko_pastur gave", BulkFit))
def fit_htmp_bulk(values: npt.ArrayLike, gamma: float, bulk: BulkFit) -> LawFit:
    """Fit HTMP to the values (n,) up to the threshold of their `fit_marchenko_pastur`; a status where it has none."""
    return fit_htmp_bulks([AskedBulk(values, gamma, bulk)])[0]


class AskedBulk(NamedTuple):
    """One bulk of many, as `fit_htmp_bulk` takes it."""

    values: npt.ArrayLike
    gamma: float
    bulk: BulkFit


def fit_htmp_bulks(asked: Sequence[AskedBulk]) -> list[LawFit]:
    """What `fit_htmp_bulk` gives for each, in their order, to the last bit."""
    return fit_htmps_and_bulks([], asked)[1]


def fit_htmps_and_bulks(asked: Sequence[Asked], bulks: Sequence[AskedBulk]) -> tuple[list[LawFit], list[LawFit]]:
    """`fit_htmps` and `fit_htmp_bulks` of the same spectra, at less than the price of both."""
    known = [_without_a_fit(one) for one in bulks]
    further = [
        Asked(one.values, one.gamma, below=one.bulk.threshold) for one, fit in zip(bulks, known, strict=True) if not fit
    ]
    fits = fit_htmps([*asked, *further])
    rest = iter(fits[len(asked) :])
    return fits[: len(asked)], [
        fit or _of_all(next(rest), int(np.count_nonzero(np.asarray(one.values) <= one.bulk.threshold)))
        for one, fit in zip(bulks, known, strict=True)
    ]


def _of_all(fit: LawFit, n: int) -> LawFit:
    """With the values that are zero to rounding."""
    return fit if fit.n == n else replace(fit, n=n)


def _without_a_fit(asked: AskedBulk) -> LawFit | None:
    """What is said where there is no bulk, and where it is that of noise beside spikes."""
    bulk = asked.bulk
    if not bulk.status.ok:
        return LawFit("HTMP", None, {}, n=bulk.n, status=Status(bulk.status.code, bulk.status.message))
    many = bulk.n_spikes > _MANY * bulk.n
    if not many or not bulk.p_value >= _KEEPS_NOISE:
        return None
    least = _least_of_noise(np.sort(np.asarray(asked.values, dtype=np.float64)), bulk)
    return None if least is None else _of_noise(bulk, bulk.n - bulk.n_spikes, least)


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
