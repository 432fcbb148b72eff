"""Which law is likeliest: Marchenko-Pastur, HTMP, its inverse, and three rivals, by Akaike's criterion.

Spikes and numerical zeros belong to no law of a bulk, and a plain likelihood would be theirs: one value where a law has
no mass excludes it. So every law is contaminated, 0.98 of it and 0.02 of a law that is uniform in log x between the
smallest and the largest value; what lies outside a law costs about as much as it would cost any other. The likelihood
takes values for independent, as that of all fits here; its maximum is looked for in ``law_search``.

AIC is 2 (number of parameters) - 2 log likelihood; a lead of ten is decisive (Burnham & Anderson 2002, section 2.6).
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import RATIO, checked
from htmu_diag.fits.checked_sample import check_gamma, checked_sample
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.law_rows import FAMILIES, Family
from htmu_diag.fits.law_search import Likeliest, Sample, likeliest_of_all
from htmu_diag.fits.results import Status
from htmu_diag.laws.base import Law

__all__ = ["LAWS", "LawRanking", "RankedLaw", "rank_laws"]

_OK = Status()
LAWS = tuple(family.name for family in FAMILIES)
FEWEST = 20  # values


@dataclass(frozen=True)
class RankedLaw:
    """One law at its likeliest. label: its name in tables. parameters: by name, the scale included.

    ks_distance: of all values, spikes too.
    """

    name: str
    label: str
    parameters: Mapping[str, float]
    log_likelihood: float
    aic: float
    ks_distance: float
    gamma: float

    @cached_property
    def law(self) -> Law:
        """The law itself."""
        family = FAMILIES[LAWS.index(self.name)]
        return family.law(self.gamma, self.parameters.get(family.parameter, math.nan), self.parameters["scale"])


@dataclass(frozen=True)
class LawRanking:
    """laws: the likeliest first; none where the status is not ok."""

    laws: tuple[RankedLaw, ...]
    status: Status = _OK

    @property
    def best(self) -> RankedLaw | None:
        return self.laws[0] if self.laws else None

    def of(self, name: str) -> RankedLaw | None:
        """The law of that name."""
        return next((law for law in self.laws if law.name == name), None)

    def lead(self, over: str) -> float:
        """By how much the AIC of the law of that name exceeds the best one's; NaN without laws."""
        law = self.of(over)
        return math.nan if law is None else law.aic - self.laws[0].aic

    @property
    def sentence(self) -> str:
        """The best law with its KS distance, and how far the others are behind, in AIC."""
        if not self.laws:
            return self.status.message
        best, *others = self.laws
        behind = ", ".join(f"{law.label} +{law.aic - best.aic:.3g}" for law in others)
        return f"{best.label} is likeliest (KS {best.ks_distance:.3f}); AIC behind it: {behind}"


@checked(gamma=RATIO)
def rank_laws(values: npt.ArrayLike, gamma: float) -> LawRanking:
    """Fit every law to positive values (n,) of a matrix of aspect ratio gamma, in (0, 1].

    The status says so where there are fewer than 20 values, or too few distinct ones.
    """
    check_gamma(gamma)
    sample = checked_sample(values)
    if not sample.status.ok:
        return LawRanking((), sample.status)
    if sample.values.size < FEWEST:
        few = f"{sample.values.size} values, where a choice between laws needs {FEWEST}; use a larger matrix"
        return LawRanking((), Status("too_few_values", few))
    upright = Sample.of(np.log(sample.values))
    mirrored = upright.mirrored
    samples = [(mirrored if family.mirrored else upright, family) for family in FAMILIES]
    found = zip(samples, likeliest_of_all(samples, gamma), strict=True)
    ranked = [_ranked(sample, family, gamma, one) for (sample, family), one in found]
    return LawRanking(tuple(sorted(ranked, key=lambda law: law.aic)))


def _ranked(sample: Sample, family: Family, gamma: float, found: Likeliest) -> RankedLaw:
    return RankedLaw(
        family.name,
        family.label,
        {
            **({family.parameter: family.shape(found.place)} if family.parameter else {}),
            "scale": math.exp(-found.scale if family.mirrored else found.scale),
        },
        found.height,
        2 * family.parameters - 2 * found.height,
        ks_of_levels(np.minimum(np.maximum(found.levels, 0.0), 1.0), sample.masses),
        gamma,
    )
