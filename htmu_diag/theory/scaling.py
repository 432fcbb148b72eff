"""Scaling laws from spectra: the exponents of kernel, target and learning curve.

Eigenvalues lam_i ~ i^-a have a density with exponent alpha = 1 + 1/a, and the reverse. With target power v_i^2 ~ i^-b
the error left after n samples falls like n^-min(b - 1, 2a) (Canatar et al. 2021; Bahri et al. 2021; Cui et al. 2021):
b - 1 where the target is rough enough that its unlearned modes dominate, 2a where the resolution of the learned ones
does (saturation). Both exponents are asymptotic: `learning_curve` gives the one at a finite n.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import scipy

from htmu_diag.arguments import checked, instance, real_array, whole
from htmu_diag.errors import InputError

__all__ = ["Exponent", "learning_exponent", "rank_exponent", "target_exponent"]


@dataclass(frozen=True)
class Exponent:
    """An exponent and its standard error (NaN where unknown)."""

    value: float
    stderr: float = math.nan

    @classmethod
    def of_tail(cls, alpha: float, stderr: float = math.nan) -> Exponent:
        """The rank exponent a = 1/(alpha - 1) of eigenvalues whose density has exponent alpha > 1.

        >>> Exponent.of_tail(1.5).value
        2.0
        """
        if not alpha > 1:
            raise InputError(f"alpha = {alpha}: the density of eigenvalues ranked like i^-a has an exponent above 1")
        return cls(1 / (alpha - 1), stderr / (alpha - 1) ** 2)


@checked(spectrum=instance("an Exponent", Exponent), target=instance("an Exponent", Exponent))
def learning_exponent(spectrum: Exponent, target: Exponent) -> Exponent:
    """min(b - 1, 2a) from a (spectrum) and b (target), with the standard error of a minimum of two normal variables
    (Clark 1961, eqs. 2 to 4), the two taken as independent.

    >>> learning_exponent(Exponent(1.0, 0.1), Exponent(2.5, 0.1)).value
    1.5
    """
    one, other = Exponent(target.value - 1, target.stderr), Exponent(2 * spectrum.value, 2 * spectrum.stderr)
    return Exponent(min(one.value, other.value), _stderr_of_minimum(one, other))


def rank_exponent(values: npt.ArrayLike, ranks: tuple[int, int] | None = None) -> Exponent:
    """a of values ~ i^-a, i the rank from the largest, by least squares of the logarithms at ranks in equal ratios.

    ranks: first and last rank that count, from 1; by default from 3 to N/4, beyond the few largest and before a finite
        sample bends the curve. Values that are zero to rounding do not count. The error takes neighbouring values as
        independent, so it is low for spectra with strong repulsion.
    """
    ordered = np.sort(real_array(values).ravel())[::-1]
    ordered = ordered[ordered > 0]
    _check_ranks(ranks)
    first, last = ranks or (3, max(ordered.size // 4, 12))
    last = min(last, ordered.size)
    if last - first < 4:
        return Exponent(math.nan)
    places = np.unique(np.geomspace(first, last, 24).round().astype(int))
    return _slope(np.log(places), np.log(ordered[places - 1]))


def target_exponent(power: npt.ArrayLike, ranks: tuple[int, int] | None = None) -> Exponent:
    """b of v_i^2 ~ i^-b from the power (m,) of a target in the modes, ordered by falling eigenvalue.

    Single coefficients scatter over decades, so the slope 1 - b is that of the power left beyond a rank; NaN where the
    power left does not fall like a power (b <= 1), and for fewer than five ranks.
    """
    squares = real_array(power, "power").ravel()
    _check_ranks(ranks)
    left = np.cumsum(squares[::-1])[::-1]
    first, last = ranks or (3, max(squares.size // 4, 12))
    last = min(last, int((left > 0).sum()))
    if last - first < 4:
        return Exponent(math.nan)
    places = np.unique(np.geomspace(first, last, 24).round().astype(int))
    found = _slope(np.log(places), np.log(left[places - 1]))
    return Exponent(1 + found.value, found.stderr)


def _check_ranks(ranks: tuple[int, int] | None) -> None:
    """Raises InputError for what is no first and last rank."""
    pair = isinstance(ranks, tuple | list) and len(ranks) == 2 and all(whole(1).holds(rank) for rank in ranks)
    if ranks is not None and not (pair and ranks[0] < ranks[1]):
        raise InputError(f"ranks = {ranks!r} cannot be taken; pass a first and a last rank, from 1 on")


def _slope(x: npt.NDArray[np.float64], y: npt.NDArray[np.float64]) -> Exponent:
    """Minus the least-squares slope of y against x, with its usual standard error."""
    centred = x - x.mean()
    slope = float(centred @ y / (centred @ centred))
    residual = y - y.mean() - slope * centred
    return Exponent(-slope, math.sqrt(float(residual @ residual) / (x.size - 2) / float(centred @ centred)))


def _stderr_of_minimum(one: Exponent, other: Exponent) -> float:
    """Of min(X, Y), X and Y normal and independent; the smaller one's own where an error is unknown or zero."""
    spread = math.hypot(one.stderr, other.stderr)
    if not spread > 0:
        return min(one, other, key=lambda exponent: exponent.value).stderr
    gap = (other.value - one.value) / spread
    first, density = float(scipy.special.ndtr(gap)), math.exp(-gap * gap / 2) / math.sqrt(2 * math.pi)
    mean = one.value * first + other.value * (1 - first) - spread * density
    second = (one.value**2 + one.stderr**2) * first + (other.value**2 + other.stderr**2) * (1 - first)
    second -= (one.value + other.value) * spread * density
    return math.sqrt(max(second - mean**2, 0.0))
