"""Which law is likeliest: Marchenko-Pastur, HTMP, its inverse, and three rivals, by Akaike's criterion.

Spikes and numerical zeros belong to no law of a bulk, and a plain likelihood would be theirs: one value where a law has
no mass excludes it. So every law is contaminated, 0.98 of it and 0.02 of a law that is uniform in log x between the
smallest and the largest value; what lies outside a law costs about as much as it would cost any other. The likelihood
takes values for independent, as that of all fits here; its maximum is looked for in ``law_search``.

AIC is 2 (number of parameters) - 2 log likelihood; a lead of ten is decisive (Burnham & Anderson 2002, section 2.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property, partial
from operator import attrgetter

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import RATIO, checked
from htmu_diag.fits.checked_sample import Sample as Checked
from htmu_diag.fits.checked_sample import check_gamma, checked_sample
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.law_rows import FAMILIES
from htmu_diag.fits.law_sample import Sample, samples_of
from htmu_diag.fits.law_search import Likeliest, likeliest_of
from htmu_diag.fits.results import Status
from htmu_diag.laws.base import Law
from htmu_diag.spectrum import Floats

__all__ = ["LAWS", "LawRanking", "RankedLaw", "rank_laws", "rank_laws_of"]

_OK = Status()
_FAMILIES = [(each.name, each.label, each.parameter, each.shape, each.parameters) for each in FAMILIES]
LAWS = tuple(family.name for family in FAMILIES)
FEWEST = 20  # values
_TOGETHER = 64  # samples, for their matrices are some 100 kB each


@dataclass(frozen=True)
class RankedLaw:
    """One law at its likeliest. label: its name in tables. parameters: by name, the scale included."""

    name: str
    label: str
    parameters: Mapping[str, float]
    log_likelihood: float
    aic: float
    gamma: float
    _distance: Callable[[int], float] = field(repr=False, compare=False)  # of each of `LAWS`

    @cached_property
    def ks_distance(self) -> float:
        """Of all values, spikes too; found when it is first asked for."""
        return self._distance(LAWS.index(self.name))

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
    return rank_laws_of([(values, gamma)])[0]


def rank_laws_of(asked: Sequence[tuple[npt.ArrayLike | Checked, float]]) -> list[LawRanking]:
    """`rank_laws` of many (values, gamma): each as if it were alone, to the last bit."""
    for _, gamma in asked:
        check_gamma(gamma)
    samples = [_checked(values) for values, _ in asked]
    found = [LawRanking((), sample.status) for sample in samples]
    able = [k for k, sample in enumerate(samples) if sample.status.ok]
    for begin in range(0, len(able), _TOGETHER):
        these = able[begin : begin + _TOGETHER]
        ranked = _ranked([np.log(samples[k].values) for k in these], [asked[k][1] for k in these])
        for k, ranking in zip(these, ranked, strict=True):
            found[k] = ranking
    return found


def _checked(values: npt.ArrayLike | Checked) -> Checked:
    sample = checked_sample(values)
    if sample.status.ok and sample.values.size < FEWEST:
        few = f"{sample.values.size} values, where a choice between laws needs {FEWEST}; use a larger matrix"
        return Checked(sample.values, Status("too_few_values", few))
    return sample


def _ranked(logs: Sequence[Floats], gammas: Sequence[float]) -> list[LawRanking]:
    samples = samples_of(logs)
    found = likeliest_of(samples, gammas)
    return [_ranking(*one) for one in zip(samples, gammas, found, strict=True)]


def _ranking(sample: Sample, gamma: float, found: Likeliest) -> LawRanking:
    distance = partial(_distance, sample.t, sample.masses, gamma, found)
    ranked = []
    for (name, label, parameter, shape, count), place, scale, height in zip(
        _FAMILIES, found.places, found.scales, found.heights, strict=True
    ):
        parameters = {parameter: shape(place), "scale": math.exp(scale)} if parameter else {"scale": math.exp(scale)}
        ranked.append(RankedLaw(name, label, parameters, height, 2 * count - 2 * height, gamma, distance))
    return LawRanking(tuple(sorted(ranked, key=attrgetter("aic"))))


def _distance(t: Floats, masses: Floats, gamma: float, found: Likeliest, family: int) -> float:
    """KS distance of logarithms t to the row nearest to the likeliest law of a family."""
    levels = FAMILIES[family].row(gamma, found.near[family]).cdf(t - found.near_scales[family])
    return ks_of_levels(levels, masses)
