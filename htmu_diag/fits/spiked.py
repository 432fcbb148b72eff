"""The Marchenko-Pastur bulk beside spikes, to the order 1/n that a rigid spectrum shows.

k strong spikes take k rows and columns with them: what is left is the noise of an (n - k) x (N - k) matrix. A spike of
finite strength leaves a little more behind. With m(x) the companion Stieltjes transform of the bulk and l the
population eigenvalue of the spike, in units of the noise, the number of bulk eigenvalues below x exceeds that of a
spike at infinity by

    (1/pi) [arg m(x + i0) - arg(m(x + i0) + 1/l)]    (between 0 and 1),

the first variation of log det in the population (ours; it follows from Silverstein's equation, Silverstein & Bai
1995, and is the same for spiked covariances and for noise plus a matrix of low rank). An eigenvalue of the noise stays
within O(log n / n) of its place, so without this term nine spikes would make a bulk of noise look like something else.

In the angle of ``laws.marchenko_pastur``, m = -1/(1 - r exp(-i theta)), and the excess is

    (1/pi) arg(1 + t exp(i theta)),    t = r/(l - 1) = exp(-phi),    spike = 1 + gamma + 2 r cosh(phi),

of a spike in units of the bulk's mean. Arguments add up where factors are multiplied: four spikes, whose arguments lie
below pi/2 each, cost one arctangent.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import accumulate

import numpy as np
import numpy.typing as npt

from htmu_diag.laws.central_angles import mass_below
from htmu_diag.spectrum import Floats

__all__ = ["Groups", "Shown", "Spikes", "excess", "shares_below", "strengths_above", "turn"]

_TINY = np.finfo(np.float64).tiny
_TOGETHER = 4
Complexes = npt.NDArray[np.complex128]
Spikes = tuple[Floats, Floats | None]  # (k,) and how many each stands for, one without
Shown = tuple[Floats, Floats | None]  # (4, g) t of each spike, and (g, 1) how many those of each group stand for


class Groups:
    """Spikes of several bulks of ratio gamma (b,), one at least beside each, whose factors are multiplied in groups.

    Spikes that stand for other numbers than one are groups of their own.
    starts: (b + 1,) where the groups of each bulk begin; of_group: (g,) the bulk of each.
    """

    def __init__(self, spikes: Sequence[Spikes], gamma: Floats) -> None:
        counts = [len(v) if masses is not None else -(-len(v) // _TOGETHER) for v, masses in spikes]
        self.starts = starts = list(accumulate(counts, initial=0))
        values = np.full((starts[-1], _TOGETHER), math.inf)
        self.masses = np.ones((starts[-1], 1)) if any(masses is not None for _, masses in spikes) else None
        for first, last, (these, masses) in zip(starts, starts[1:], spikes, strict=False):
            if masses is None or self.masses is None:
                values[first:last].reshape(-1)[: len(these)] = these
            else:
                values[first:last, 0], self.masses[first:last, 0] = these, masses
        self.of_group, half_over_root = np.arange(len(counts)).repeat(counts), 0.5 / np.sqrt(gamma)
        self._values = values.T * half_over_root[self.of_group]
        self._edge = ((1 + gamma) * half_over_root + 1)[self.of_group]

    def shown(self, mean: Floats) -> Floats:
        """(4, g) t of each spike beside bulks of this mean (b,)."""
        return _shown(self._values / mean[self.of_group] - self._edge)

    def excess(self, shown: Floats, turns: Complexes) -> Floats:
        """(b, m) eigenvalues of each bulk below the places of its groups' turns, (g, m)."""
        return np.asarray(np.add.reduceat(excess(shown, self.masses, turns), self.starts[:-1], axis=0))

    def part(self, i: int, shown: Floats) -> Shown:
        """Of the i-th bulk."""
        groups = slice(self.starts[i], self.starts[i + 1])
        return shown[:, groups], None if self.masses is None else self.masses[groups]


def turn(sine: Floats, cosine: Floats) -> Complexes:
    """exp(i theta), its imaginary part above zero."""
    out = np.empty(sine.shape, complex)
    out.real, out.imag = cosine, np.maximum(sine, _TINY)
    return out


def excess(shown: Floats, masses: Floats | None, turns: Complexes) -> Floats:
    """(g, m) eigenvalues of a bulk below places over what strong spikes would leave there, from t of each group of
    spikes, (4, g); nothing outside the bulk. turns: exp(i theta), (g, m) or (1, m)."""
    factors = shown[:, :, None] * turns
    factors += 1
    product = np.multiply.reduce(factors, axis=0, initial=-1)  # arguments of a group from -pi to pi
    each = np.arctan2(product.imag, product.real) * (1 / math.pi) + 1
    return np.asarray(each if masses is None else each * masses)


def strengths_above(spikes: Floats, gamma: float) -> Floats:
    """Population eigenvalues less 1 of spikes in units of the bulk's mean, beside a bulk of ratio gamma; sqrt(gamma)
    for those that show least."""
    root = math.sqrt(gamma)
    return np.asarray(root / _shown((spikes - (1 + gamma)) / (2 * root) - 1))


def _shown(beyond: Floats) -> Floats:
    """t = exp(-phi) from cosh(phi) - 1."""
    beyond = np.maximum(beyond, 0.0)
    return np.asarray(1 / (np.sqrt((beyond + 2) * beyond) + beyond + 1))


def shares_below(y: Floats, gamma: Floats) -> tuple[Floats, Floats, Floats]:
    """The distribution function of laws of mean 1 and ratio gamma at places y, (n,) each; sine and cosine of theta."""
    r = np.sqrt(gamma)
    low, high = (1 - r) * (1 - r), (1 + r) * (1 + r)
    lower, upper = (np.minimum(np.maximum(part / (high - low), 0.0), 1.0) for part in (y - low, high - y))
    theta = 2 * np.arctan2(np.sqrt(lower), np.sqrt(upper))
    sine, cosine = np.sin(theta), np.cos(theta)
    return mass_below(theta, sine, cosine, r), sine, cosine
