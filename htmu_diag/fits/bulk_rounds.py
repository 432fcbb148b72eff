"""Scale and spikes of many Marchenko-Pastur bulks at once: the rounds of ``bulk``, side by side.

What a spectrum gets depends on itself alone: everything is element by element or a sum along an axis of fixed length.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from htmu_diag.fits.bulk_null import edge_quantile
from htmu_diag.fits.spiked import Groups, Shown, Spikes, turn
from htmu_diag.laws.central_angles import CENTRAL, CentralQuantiles
from htmu_diag.spectrum import Floats

Rows = npt.NDArray[np.int_]
__all__ = ["SPIKE_LEVEL", "Asked", "Bulks", "Parts", "fitted_bulk", "separated"]

# One noise matrix in a thousand shows a spike: a model of 100 matrices, one in ten at initialisation
SPIKE_LEVEL = 1e-3
FURTHER_LEVEL = 0.05  # the same beside a spike: a false one more costs less than a true one left in the bulk
_MAX_ROUNDS = 50
_SCALE_ROUNDS = 3  # the strengths of the spikes depend on the scale and move it by O(k/n**2)


@dataclass(frozen=True)
class Asked:
    """values: (n,) ascending; gamma: their aspect ratio; masses: (n,) how many each stands for, one without."""

    values: Floats
    gamma: float
    masses: Floats | None = None

    @property
    def total(self) -> float:
        """The dimension, one at least."""
        return float(self.values.size) if self.masses is None else max(float(self.masses.sum()), 1.0)

    def spikes(self, count: int) -> Spikes:
        """The values beyond the first ``count``, and how many each stands for."""
        return self.values[count:], None if self.masses is None else self.masses[count:]

    def beyond(self, count: int) -> float:
        """How many they stand for."""
        return float(self.values.size - count if self.masses is None else self.masses[count:].sum())


@dataclass(frozen=True)
class Parts:
    """The first ``count`` values lie below the threshold.

    n, gamma, shrinkage: of the bulk, as in ``spiked``; it is these values but where half of all and more lie beyond.
    shown: of the spikes beside the bulk, None where there are none.
    """

    count: int
    n: float
    gamma: float
    shrinkage: float
    shown: Shown | None
    scale: float
    threshold: float


def separated(asked: Sequence[Asked]) -> list[Parts]:
    """Bulk and spikes of each spectrum."""
    found: dict[int, Parts] = {}
    sizes = np.array([each.values.size for each in asked])
    rows, counts, scale = np.arange(len(asked)), sizes, np.zeros(len(asked))
    for left in range(_MAX_ROUNDS - 1, -1, -1):
        bulks = Bulks([asked[i] for i in rows.tolist()], counts, scale)
        scale, threshold = bulks.scaled()
        inside = bulks.below(threshold)
        stands = (inside == counts) | (inside < sizes[rows] / 2) | (scale == 0) | (left == 0)
        for i in np.flatnonzero(stands).tolist():
            found[int(rows[i])] = bulks.parts(i, int(inside[i]), float(scale[i]), float(threshold[i]))
        if stands.all():
            break
        rows, counts, scale = rows[~stands], inside[~stands], scale[~stands]
    return [found[i] for i in range(len(asked))]


def fitted_bulk(asked: Asked, count: int, beside: float) -> Parts:
    """The bulk of one spectrum of which the first ``count`` values are one, from the scale that a round before found, 0
    for infinitely strong spikes."""
    bulks = Bulks([asked], np.array([count]), np.array([beside]))
    scale, threshold = bulks.scaled()
    return bulks.parts(0, count, float(scale[0]), float(threshold[0]))


class Bulks:
    """Of each spectrum the first ``counts`` values as its bulk, and the scale (b,) that the last round found: zero in
    the first round, where it is not known yet; spikes then count as infinitely strong."""

    def __init__(self, asked: Sequence[Asked], counts: Rows, scale: Floats) -> None:
        self._asked, self._counts, self._scale = asked, counts, scale
        self._shown: list[Shown | None] = [None] * len(asked)
        total, columns = np.array([(each.total, each.total / each.gamma) for each in asked]).T
        beyond = [each.beyond(count) for each, count in zip(asked, counts.tolist(), strict=True)]
        self._n, rest = total - beyond, columns - beyond
        self._gamma, self._shrinkage = self._n / rest, rest / columns
        self._first = scale[0] == 0

    def scaled(self) -> tuple[Floats, Floats]:
        """(b,) scales, and the thresholds of the largest eigenvalues."""
        law = CentralQuantiles(np.sqrt(self._gamma))
        self._central, self._largest = _central_sums(self._asked, self._counts)
        scale = self._central / (law.sums() * self._shrinkage) if self._first else self._beside_spikes(law)
        return scale, scale * self._shrinkage * self._edges()

    def below(self, threshold: Floats) -> Rows:
        """(b,) how many of the bulk's values do not lie beyond."""
        inside = self._counts.copy()
        for i in np.flatnonzero(self._largest > threshold).tolist():
            inside[i] = self._asked[i].values[: inside[i]].searchsorted(threshold[i], side="right")
        return inside

    def parts(self, i: int, inside: int, scale: float, threshold: float) -> Parts:
        """Of the i-th spectrum."""
        n, gamma, shrinkage = float(self._n[i]), float(self._gamma[i]), float(self._shrinkage[i])
        return Parts(inside, n, gamma, shrinkage, self._shown[i], scale, threshold)

    def _beside_spikes(self, law: CentralQuantiles) -> Floats:
        """The scale again and again, since it says how strong the spikes are."""
        spikes = [each.spikes(count) for each, count in zip(self._asked, self._counts.tolist(), strict=True)]
        groups = Groups(spikes, self._gamma)
        turns = turn(np.sin(law.angles), np.cos(law.angles))[groups.of_group]
        scale, share, central = self._scale, 1 / self._n[:, None], self._central / self._shrinkage
        with np.errstate(over="ignore", divide="ignore"):  # beside a scale of zero
            for _ in range(_SCALE_ROUNDS):
                shown = groups.shown(scale * self._shrinkage)
                scale = central / law.sums_below(groups.excess(shown, turns) * share)
        self._shown = [groups.part(i, shown) for i in range(scale.size)]
        return scale

    def _edges(self) -> list[float]:
        level = SPIKE_LEVEL if self._first else FURTHER_LEVEL
        return [edge_quantile(level, n, gamma) for n, gamma in zip(self._n.tolist(), self._gamma.tolist(), strict=True)]


def _central_sums(asked: Sequence[Asked], counts: Rows) -> tuple[Floats, Floats]:
    """Of the values' quantiles from 25 to 75 %, of the first so many of each, and the last of these; the sum over that
    of the law's own is the scale."""
    sizes = np.array([each.values.size for each in asked])
    flat, first = np.concatenate([each.values for each in asked]), (np.cumsum(sizes) - sizes)
    place = CENTRAL * counts[:, None] - 0.5  # the i-th of n values is the quantile (i + 1/2)/n; linear between them
    below = np.floor(place)
    at = first[:, None] + below.astype(int)
    low = flat[at]
    sums = ((flat[at + 1] - low) * (place - below) + low).sum(axis=1)
    for i, each in enumerate(asked):
        if each.masses is not None:
            values, masses = each.values[: counts[i]], each.masses[: counts[i]]
            middle = (np.cumsum(masses) - masses / 2) / masses.sum()
            sums[i] = np.interp(CENTRAL, middle, values).sum()
    return sums, flat[first + counts - 1]
