"""Which law is likeliest: Marchenko-Pastur, HTMP, its inverse, and three rivals, by Akaike's criterion.

Spikes and numerical zeros belong to no law of a bulk, and a plain likelihood would be theirs: one value where a law has
no mass excludes it. So every law is contaminated, 0.98 of it and 0.02 of a law that is uniform in log x between the
smallest and the largest value; what lies outside a law costs about as much as it would cost any other. The likelihood
takes values for independent, as that of all fits here. It is profiled over the scale at every shape of a grid, and the
polynomial through seven shapes gives the maximum.

AIC is 2 (number of parameters) - 2 log likelihood; a lead of ten is decisive (Burnham & Anderson 2002, section 2.6).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import RATIO, checked
from htmu_diag.fits.checked_sample import check_gamma, checked_sample
from htmu_diag.fits.distance import ks_of_levels
from htmu_diag.fits.integer_search import highest
from htmu_diag.fits.law_rows import FAMILIES, Family, Row
from htmu_diag.fits.results import Status
from htmu_diag.fits.sextic import SIDE, Sextic
from htmu_diag.laws.base import Law
from htmu_diag.spectrum import Floats

__all__ = ["LAWS", "LawRanking", "RankedLaw", "rank_laws"]

_OK = Status()
LAWS = tuple(family.name for family in FAMILIES)
CONTAMINATION = 0.02
FEWEST = 20  # values
_SCALES = np.arange(-2.0, 3.0)  # tried at once
_STEPS = (0.6, 0.15, 0.03)  # their distance, in widths of the law; the first only where nothing is known of the scale
_MOST_MOVES = 60  # of a set of scales whose best is at its end
_WIDE, _PEAKS, _FINER = 33, (4, 2), (10, 6)  # of a law with edges: coarse steps to either side, peaks kept, their parts
_EXACT, _GROUPS = 128, 768  # values at either end, and groups of neighbours between them, of a large spectrum


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
    logs = np.log(sample.values)
    found = [_Search(_Sample.of(-logs[::-1] if f.mirrored else logs), f, gamma).best() for f in FAMILIES]
    return LawRanking(tuple(sorted(found, key=lambda law: law.aic)))


@dataclass(frozen=True)
class _Sample:
    """t: (m,) ascending logarithms, of groups of neighbours where there are many; masses: (m,) values in each."""

    t: Floats
    masses: Floats
    background: float  # what contamination adds to the density of t

    @classmethod
    def of(cls, t: Floats) -> _Sample:
        background = CONTAMINATION / (float(t[-1]) - float(t[0]))
        if t.size <= 2 * _EXACT + _GROUPS:
            return cls(t, np.ones(t.size), background)
        cuts = np.linspace(_EXACT, t.size - _EXACT, _GROUPS + 1).astype(np.intp)
        starts = np.concatenate([np.arange(_EXACT), cuts[:-1], np.arange(t.size - _EXACT, t.size)])
        masses = np.diff(np.append(starts, t.size)).astype(np.float64)
        return cls(np.add.reduceat(t, starts) / masses, masses, background)

    @cached_property
    def middle(self) -> float:
        return float(np.interp(0.5, (np.cumsum(self.masses) - self.masses / 2) / self.masses.sum(), self.t))

    def likeliest(self, row: Row, start: float, steps: Sequence[float]) -> _Best:
        """Of the contaminated law: by its logarithm at the nodes, linear between them."""
        logs, beyond = np.log((1 - CONTAMINATION) * row.density + self.background), math.log(self.background)

        def heights(scales: Floats) -> Floats:
            return np.interp(self.t - scales[:, None], row.nodes, logs, beyond, beyond) @ self.masses

        return (_highest_peak if row.has_edges else _likeliest_scale)(heights, start, steps)


@dataclass(frozen=True)
class _Best:
    height: float
    scale: float


class _Search:
    """The likeliest shape and scale of one family."""

    def __init__(self, sample: _Sample, family: Family, gamma: float) -> None:
        self._sample, self._family, self._gamma = sample, family, gamma
        self._found: dict[int, _Best] = {}

    def best(self) -> RankedLaw:
        family = self._family
        top = highest(lambda k: self._at(k).height, family.start, family.low, family.high)
        place, found = float(top), self._at(top)
        if family.high > family.low:
            place, found = self._between(min(max(top, family.low + SIDE), family.high - SIDE), top)
        row, scale = family.row(self._gamma, top), -found.scale if family.mirrored else found.scale
        levels = row.cdf(self._sample.t - self._at(top).scale)
        named = {family.parameter: family.shape(place)} if family.parameter else {}
        return RankedLaw(
            family.name,
            family.label,
            {**named, "scale": math.exp(scale)},
            found.height,
            2 * family.parameters - 2 * found.height,
            ks_of_levels(np.minimum(np.maximum(levels, 0.0), 1.0), self._sample.masses),
            self._gamma,
        )

    def _between(self, centre: int, top: int) -> tuple[float, _Best]:
        """By the polynomials through the seven grid points about the highest one."""
        near = [self._at(centre + k) for k in range(-SIDE, SIDE + 1)]
        heights, scales = Sextic.through([b.height for b in near]), Sextic.through([b.scale for b in near])
        place = heights.highest(top - centre)
        height = max(heights.at(place), self._at(top).height)
        return centre + place, _Best(height, scales.at(place))

    def _at(self, place: int) -> _Best:
        if place not in self._found:
            row = self._family.row(self._gamma, place)
            low, middle, high = row.quartiles
            near = min(self._found, key=lambda k: abs(k - place), default=None)
            scale = self._sample.middle - middle if near is None else self._found[near].scale
            steps = [share * (high - low) for share in (_STEPS if near is None else _STEPS[1:])]
            self._found[place] = self._sample.likeliest(row, scale, steps)
        return self._found[place]


def _likeliest_scale(heights: Callable[[Floats], Floats], start: float, steps: Sequence[float]) -> _Best:
    """From a coarse set of scales to finer ones, each about the best of the last; then a parabola."""
    for step in steps:
        for _ in range(_MOST_MOVES):
            tried = start + _SCALES * step
            found = heights(tried).tolist()
            best = found.index(max(found))
            start = float(tried[best])
            if 0 < best < len(found) - 1:
                break
    left, top, right = found[max(best - 1, 0)], found[best], found[min(best + 1, len(found) - 1)]
    bend = left - 2 * top + right
    shift = 0.5 * (left - right) / bend if bend < 0 else 0.0
    return _Best(top - 0.25 * (left - right) * shift, start + shift * step)


def _highest_peak(heights: Callable[[Floats], Floats], start: float, steps: Sequence[float]) -> _Best:
    """For a law with edges: where one passes a value the likelihood has a kink, and so it has many maxima.

    The peaks of a wide set of scales, then of finer ones about the highest of these.
    """
    around, step = _likeliest_scale(heights, start, steps[:-1]).scale, steps[-1]
    scales: Floats = np.asarray(around + step * np.arange(-_WIDE, _WIDE + 1), dtype=np.float64)
    for peaks, finer in zip(_PEAKS, _FINER, strict=True):
        found = heights(scales)
        beside = np.maximum(np.append(found[1:], -np.inf), np.append(-np.inf, found[:-1]))
        kept = np.argsort(np.where(found >= beside, found, -np.inf))[-peaks:]
        step /= finer
        scales = np.add.outer(scales[kept], step * np.arange(-finer, finer + 1)).ravel()
    found = heights(scales)
    best = int(np.argmax(found))
    return _Best(float(found[best]), float(scales[best]))
