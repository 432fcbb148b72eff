"""The Bayesian free energy of a weight matrix, from its eigenvalues e alone.

F(lam) = lam/2 mean(e) - 1/2 mean(log e) + 1/2 log(2 pi/lam) per eigenvalue, lam the precision of the prior on weights
(public code of the authors' work on why heavy-tailed spectra predict quality; the derivations below are ours). Its
minimum over lam lies at lam = 1/mean(e) and is (1 + log 2 pi + J)/2 with J = log mean(e) - mean log e: at the best
precision the free energy *is* J, that is, the spread of the spectrum.

Where e = floor + y/beta with y HTMP at unit rate, h = kappa/beta is the size of the spectrum and c = floor * beta its
floor in units of 1/beta. At fixed kappa and c, dF/dh = 0 at h* = 2 gamma kappa/(lam (kappa + 2 gamma c)), so that
h/h* = lam mean(e): above one, the weights are larger than the prior wants.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy.typing as npt

from htmu_diag.arguments import RATIO, Rule, check_fields, checked, either, real, real_array
from htmu_diag.laws.log_gap import log_gap

__all__ = ["SpectrumSize", "free_energy", "least_free_energy", "least_free_energy_of"]


@checked(precision=real(0, above=True))
def free_energy(values: npt.ArrayLike, precision: float) -> float:
    """F of eigenvalues (n,) at a prior precision lam > 0, in nats an eigenvalue; infinite where one is zero."""
    array = real_array(values)
    gap = log_gap(array)
    if math.isinf(gap):
        return math.inf
    mean = float(array.mean())
    return precision * mean / 2 + (gap - math.log(mean)) / 2 + math.log(2 * math.pi / precision) / 2


def least_free_energy(values: npt.ArrayLike) -> float:
    """F* = (1 + log 2 pi + J)/2, the smallest F over all precisions; scale-free."""
    return least_free_energy_of(log_gap(values))


def least_free_energy_of(gap: float) -> float:
    """The same from J."""
    return (1 + math.log(2 * math.pi) + gap) / 2


@dataclass(frozen=True)
class SpectrumSize:
    """h of a fitted HTMP law, and the one of least free energy at a prior precision.

    kappa, gamma: of the law. scale: its mean above the floor, kappa/(2 gamma beta). floor: the shift under it.
    precision: lam of the prior.
    """

    kappa: float
    gamma: float
    scale: float
    floor: float = 0.0
    precision: float = math.nan

    def __post_init__(self) -> None:
        unknown = Rule("a number", lambda value: isinstance(value, float) and math.isnan(value))
        check_fields(
            self,
            kappa=real(0, above=True),
            gamma=RATIO,
            scale=real(0, above=True),
            floor=real(),
            precision=either(real(0, above=True), unknown),
        )

    @property
    def rate(self) -> float:
        """beta, the law's rate."""
        return self.kappa / (2 * self.gamma * self.scale)

    @property
    def h(self) -> float:
        """kappa/beta = 2 gamma scale: for a given kappa the one free parameter of the law."""
        return self.kappa / self.rate

    @property
    def h_best(self) -> float:
        """h* = 2 gamma kappa/(lam (kappa + 2 gamma c)), where F is least at this kappa and floor-to-rate ratio."""
        return 2 * self.gamma * self.kappa / (self.precision * (self.kappa + 2 * self.gamma * self.floor * self.rate))

    @property
    def ratio(self) -> float:
        """h/h*; equal to lam times the law's mean."""
        return self.h / self.h_best
