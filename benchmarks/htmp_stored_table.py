"""Tables of the HTMP law for every aspect ratio: python -m benchmarks.htmp_stored_table

For each kappa of the lattice's grid: panels at fixed places about the Marchenko-Pastur edges, halved until the last
coefficients of log g and of F/g (or (1 - F)/g) are small at all ratios tried; coefficients from the law's own tables at
40 ratios (Chebyshev points), as Chebyshev series in the ratio, and at 32 for ratios near one; all terms as whole
numbers of a unit, those that round to zero left out. Writes htmu_diag/laws/tables/htmp_rows.npz; tests hold it against
the law at other ratios. A minute on two cores.
"""

from __future__ import annotations

import itertools
import math
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
from numpy.polynomial.chebyshev import chebvander

from htmu_diag.laws.chebyshev import collocation
from htmu_diag.laws.htmp_lattice import FIRST, LAST, STEP
from htmu_diag.laws.htmp_marks import Marks
from htmu_diag.laws.htmp_stored import LARGE, MIDDLE, place_of, shares
from htmu_diag.laws.htmp_table import table
from htmu_diag.spectrum import Floats

FILE = Path(__file__).parents[1] / "htmu_diag" / "laws" / "tables" / "htmp_rows.npz"
OTHER, NEAR = (0.004, 0.96, 40), (0.955, 0.9999, 32)  # aspect ratios from one to another, and terms
DEGREE = 16
TOLERANCE, UNIT = 5e-8, 3e-9  # of the last coefficients, and of what is stored: of log g, and relative of F/g
DEEP = 100.0  # both grow with |log g| beyond
SMALLEST = 1e-4  # panel
RULE = collocation(DEGREE)
Whole = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Ratios:
    """gammas: that the series go through. matrix: from values there to coefficients. ends: of ``place_of``."""

    gammas: Floats
    matrix: Floats
    ends: tuple[float, float]


def gamma_at(place: float) -> float:
    return 1 / (1 + math.exp(-place)) ** 2


def ratios(least: float, most: float, terms: int) -> Ratios:
    z = np.cos(np.pi * (np.arange(terms) + 0.5) / terms)
    low, high = place_of(least), place_of(most)
    gammas = np.array([gamma_at(low + (high - low) * (each + 1) / 2) for each in z])
    return Ratios(gammas, np.asarray(np.linalg.inv(chebvander(z, terms - 1)), dtype=np.float64), (low, high))


SQUARE = Ratios(np.ones(1), np.eye(1), (0.0, 0.0))


@dataclass(frozen=True)
class OfKappa:
    marks: Floats
    counts: Whole
    units: Floats
    numbers: Whole


def exact(gamma: float, kappa: float, start: float, end: float) -> Floats:
    """(2, degree + 1): log g, and L or R, at the nodes between two marks."""
    c = 0.5 * kappa
    law, shift = table(c * (1 - gamma) / gamma - 1, c), math.log(c / gamma)
    t = Marks.of(gamma, kappa).t(start + (end - start) * (RULE.nodes + 1) / 2) + shift
    log_g, tails = law.log_g(t), law.log_tails(t)
    return np.array([log_g, np.exp(tails[0 if end <= MIDDLE else 1] - log_g)])


def smooth(gammas: Floats, kappa: float, start: float, end: float) -> bool:
    for gamma in gammas:
        values = exact(gamma, kappa, start, end)
        last = np.abs(values @ RULE.to_coefficients.T)[:, -2:].max(axis=1)
        if (last > TOLERANCE * sizes(values)).any():
            return False
    return True


def sizes(values: Floats) -> Floats:
    """Of log g and of the ratio: what errors are measured by; values (..., 2, degree + 1)."""
    deep, ratio = np.abs(values[..., 0, :]).min(), np.abs(values[..., 1, :]).min()
    return np.array([1.0 if deep < DEEP else deep / 10, ratio])


def marks_of(gammas: Floats, kappa: float) -> Floats:
    waiting, found = [(0.0, 1.0), (1.0, MIDDLE), (MIDDLE, 2.0), (2.0, 3.0)], [3.0]
    while waiting:
        start, end = waiting.pop()
        if end - start < SMALLEST or smooth(gammas[:: max(1, gammas.size // 8)], kappa, start, end):
            found.append(start)
        else:
            waiting += [(start, (start + end) / 2), ((start + end) / 2, end)]
    return np.sort(np.array(found))


def of_kappa(kappa: float, at: Ratios) -> OfKappa:
    marks = marks_of(at.gammas, kappa)
    counts, units, numbers = [], [], []
    for start, end in itertools.pairwise(marks):
        values = np.array([exact(gamma, kappa, start, end) for gamma in at.gammas])
        terms = np.einsum("ij,jkd,ed->kei", at.matrix, values, RULE.to_coefficients)
        unit = (UNIT * sizes(values)).astype(np.float32).astype(np.float64)
        whole = np.round(terms / (unit[:, None, None] * shares(DEGREE)[:, None])).astype(np.int64)
        count = np.where(whole != 0, np.arange(1, whole.shape[-1] + 1), 0).max(axis=-1)
        counts.append(count)
        units.append(unit)
        numbers.append(whole[np.arange(whole.shape[-1]) < count[..., None]])
    return OfKappa(marks, np.array(counts), np.array(units), np.concatenate(numbers))


def stored(at: Ratios) -> dict[str, npt.NDArray[np.generic]]:
    kappas = [math.exp(k * STEP) for k in range(FIRST, LAST + 1)]
    with ProcessPoolExecutor(2) as pool:
        found = list(pool.map(of_kappa, kappas, [at] * len(kappas)))
    numbers = np.concatenate([each.numbers for each in found])
    unsigned = np.where(numbers >= 0, 2 * numbers, -2 * numbers - 1)
    first = np.cumsum([0, *(len(each.counts) for each in found)])
    print(f"{first[-1]} panels, {numbers.size} numbers, at most {max(each.counts.max() for each in found)} terms")
    return {
        "ends": np.array(at.ends),
        "marks": np.concatenate([each.marks for each in found]).astype(np.float32),
        "first": first,
        "counts": np.concatenate([each.counts for each in found]).astype(np.uint8),
        "units": np.concatenate([each.units for each in found]).astype(np.float32),
        "small": parts(np.minimum(unsigned, LARGE), 2),
        "large": parts(unsigned[unsigned >= LARGE], 7),
    }


def parts(whole: Whole, count: int) -> npt.NDArray[np.uint8]:
    """(count, n) lowest bytes of each number, which compress better apart."""
    split = np.ascontiguousarray(whole.astype("<i8")).view(np.uint8).reshape(-1, 8).T
    if split[count:].any():
        raise SystemExit(f"a number takes more than {count} bytes")
    return np.ascontiguousarray(split[:count])


def main() -> None:
    made = {
        f"{kind}.{name}": array
        for kind, at in (("other", ratios(*OTHER)), ("near", ratios(*NEAR)), ("square", SQUARE))
        for name, array in stored(at).items()
    }
    FILE.parent.mkdir(exist_ok=True)
    np.savez(FILE, **made)  # type: ignore[arg-type]
    print(f"{FILE.name}: {FILE.stat().st_size / 1e6:.2f} MB")


if __name__ == "__main__":
    main()
