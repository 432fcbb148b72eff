"""Which tail law is likelier: Vuong's likelihood-ratio test (Vuong 1989; Clauset, Shalizi & Newman 2009, section 5).

R = sum_i l_1(x_i) - l_2(x_i) with both laws at their maximum. For laws apart, R/(sqrt(n) sigma) is standard normal if
both are equally far from the truth, sigma the standard deviation of the differences. If one family contains the other,
R <= 0 always, and 2|R| is chi-squared with one degree of freedom (where the smaller family lies on the edge of the
larger one, as a power law does for its truncated form, the p-value is twice the exact one: cautious). All this is of
the maxima: where one was not found there is a ratio of the best points and no p-value.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy.typing as npt
import scipy

from htmu_diag.arguments import XMIN, checked, instance
from htmu_diag.errors import InputError
from htmu_diag.fits.checked_sample import as_values
from htmu_diag.fits.results import Comparison, LawFit, Status
from htmu_diag.fits.tail_families import TailFamily, TailLaw, tail_family
from htmu_diag.fits.tail_laws import fit_tail_law
from htmu_diag.spectrum import Floats

__all__ = ["compare"]


@checked(xmin=XMIN, laws=instance("a list of names or families", list, tuple))
def compare(values: npt.ArrayLike, xmin: float, laws: Sequence[TailLaw | TailFamily]) -> tuple[Comparison, ...]:
    """The first law against each of the others, on the values from xmin on.

    Names: power_law, truncated_power_law, lognormal, exponential, stretched_exponential, or a `TailFamily` of your own.
    Raises InputError on other names.
    """
    if len(laws) < 2:
        raise InputError(f"{len(laws)} laws given; name at least two to compare")
    families = [tail_family(law) for law in laws]
    fits = [fit_tail_law(values, xmin, family) for family in families]
    array = as_values(values)
    tail = array[array >= xmin]
    nested = [one.name in families[0].contains or families[0].name in one.contains for one in families[1:]]
    return tuple(_compared(tail, fits[0], *other) for other in zip(fits[1:], nested, strict=True))


def _compared(tail: Floats, first: LawFit, second: LawFit, nested: bool) -> Comparison:
    status = _outcome(first, second)
    if first.law is None or second.law is None:
        return Comparison(first, second, math.nan, math.nan, math.nan, False, status)
    difference = first.law.logpdf(tail) - second.law.logpdf(tail)
    ratio, spread = float(difference.sum()), float(difference.std()) * math.sqrt(tail.size)
    normalized = ratio / spread if spread > 0 else 0.0
    p_value = (
        float(scipy.special.gammaincc(0.5, abs(ratio)))
        if nested
        else float(scipy.special.erfc(abs(normalized) / math.sqrt(2)))
    )
    p_value = math.nan if status.code == "not_converged" else p_value
    return Comparison(first, second, ratio, normalized, p_value, nested, status)


def _outcome(first: LawFit, second: LawFit) -> Status:
    """That of the worse of both fits, which says whose it is: no law, no maximum found, a maximum at an edge."""
    rank = {"ok": 0, "at_boundary": 1, "not_converged": 2}
    worse = max(second, first, key=lambda fit: 3 if fit.law is None else rank.get(fit.status.code, 2))
    return worse.status if worse.status.ok else replace(worse.status, message=f"{worse.family}: {worse.status.message}")
