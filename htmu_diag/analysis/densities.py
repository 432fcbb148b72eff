"""Densities of many diagnoses at once: the same as `density.density` of each, at the price of a few."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import accumulate, pairwise

import numpy as np

from htmu_diag.analysis.density import DECADES, KEPT, PER_DECADE, Density, density, is_drawn, is_signed, zero_of
from htmu_diag.analysis.diagnosis import Diagnosis
from htmu_diag.laws.htmp_lattice import Indices
from htmu_diag.laws.htmp_rows import RowLaw, row_law, shares_below
from htmu_diag.spectrum import Floats

__all__ = ["densities"]

Drawn = tuple[Diagnosis, RowLaw, Floats]  # with the values that are no zeros


def densities(diagnoses: Iterable[Diagnosis]) -> list[Density | None]:
    """One of each, kept by it."""
    known = list(diagnoses)
    drawn = [found for each in known if KEPT not in vars(each) and (found := _drawn(each)) is not None]
    if drawn:
        for (diagnosis, _, _), made in zip(drawn, _made(drawn), strict=True):
            vars(diagnosis)[KEPT] = made
    return [density(each) for each in known]


def _drawn(diagnosis: Diagnosis) -> Drawn | None:
    """None where there is more to it than positive values and a law with a row."""
    fit, spectrum = diagnosis.htmp, diagnosis.spectrum
    if fit is None or diagnosis.series is not None or is_signed(spectrum.source.kind) or not is_drawn(fit.status.code):
        return None
    law = row_law(fit.law)
    values = spectrum.values[spectrum.values.searchsorted(zero_of(spectrum), "right") :]
    return None if law is None or not values.size else (diagnosis, law, values)


def _made(drawn: Sequence[Drawn]) -> list[Density]:
    sizes = [values.size for _, _, values in drawn]
    place = np.floor(np.log10(np.concatenate([values for _, _, values in drawn])) * PER_DECADE).astype(int)
    ends = list(accumulate(sizes))
    last = place[np.array(ends) - 1]
    first = np.maximum(place[np.array(ends) - sizes], last - (DECADES * PER_DECADE - 1))
    counts = (last - first + 1).tolist()
    starts = list(accumulate(counts, initial=0))
    places = np.maximum(place, np.repeat(first, sizes)) + np.repeat(np.array(starts[:-1]) - first, sizes)
    masses = [each.spectrum.masses[-size:] for (each, _, _), size in zip(drawn, sizes, strict=True)]
    mass = np.bincount(places, np.concatenate(masses), starts[-1]).astype(np.float64)
    laws = _law_masses(drawn, first, counts, [float(each.sum()) for each in masses])
    pieces = zip(first.tolist(), pairwise(starts), laws, strict=True)
    return [Density(begin, mass[low:high], law) for begin, (low, high), law in pieces]


def _law_masses(drawn: Sequence[Drawn], first: Indices, counts: list[int], shown: list[float]) -> list[Floats]:
    """What each law gives its bins, as ``density.law_share`` scales it: its share below the zero comes last."""
    points = [count + 2 for count in counts]
    starts = list(accumulate(points, initial=0))
    grid = np.arange(starts[-1]) - np.repeat(np.array(starts[:-1]) - first, points)
    x = 10.0 ** (grid / PER_DECADE)
    x[np.array(starts[1:]) - 1] = [zero_of(each.spectrum) for each, _, _ in drawn]
    floors = [each.htmp.floor if each.htmp else 0.0 for each, _, _ in drawn]
    below = shares_below([law for _, law, _ in drawn], points, np.maximum(x - np.repeat(floors, points), 0.0))
    parts = (below[low:high] for low, high in pairwise(starts))
    return [
        (share / (1 - part[-1]) if part[-1] < 1 else 0.0) * np.diff(part[:-1])
        for share, part in zip(shown, parts, strict=True)
    ]
