"""Numbers about the causes of heavy tails that follow from a spectrum and what was measured beside it.

Data correlation: eigenvalues ranked like i^-a have a density of exponent 1 + 1/a, so a, read from the ranks, is a
second opinion about alpha. Eigenvector entropy: the deficit of k vectors of dimension n has, under Haar measure, mean
zero and a known standard error; z says how many of them it is off.
"""

from __future__ import annotations

import math

import numpy as np

from htmu_diag.spectrum import Spectrum
from htmu_diag.theory.entropy import haar_entropy_stddev
from htmu_diag.theory.scaling import rank_exponent

__all__ = ["cause_numbers"]

_LEAST = 16  # eigenvalues: ranks 3 to a quarter of fewer are no line


def cause_numbers(spectrum: Spectrum) -> dict[str, float]:
    """By name in `quantities`; empty for spectra that say nothing about a cause."""
    return {**_rank_numbers(spectrum), **_entropy_numbers(spectrum)}


def _rank_numbers(spectrum: Spectrum) -> dict[str, float]:
    if spectrum.source.kind.orientation != "inverse" or spectrum.estimator.method == "quadrature":
        return {}
    values = spectrum.values[spectrum.values > 0]
    found = rank_exponent(values) if values.size >= _LEAST else None
    if found is None or not math.isfinite(found.value):
        return {}
    numbers = {"rank_exponent": found.value, "rank_exponent_stderr": found.stderr}
    return numbers | ({"alpha_of_ranks": 1 + 1 / found.value} if found.value > 0 else {})


def _entropy_numbers(spectrum: Spectrum) -> dict[str, float]:
    count = spectrum.scalars.get("vectors", np.nan)
    if not count > 0:
        return {}
    sides = dict(zip(("left", "right"), spectrum.source.shape, strict=True))
    found = {}
    for side, dimension in sides.items():
        stderr = haar_entropy_stddev(dimension) / math.sqrt(count)
        for part in ("top", "middle", "bottom"):
            deficit = spectrum.scalars.get(f"entropy_{side}_{part}", np.nan)
            if math.isfinite(deficit) and stderr > 0:
                found[f"entropy_{side}_{part}_z"] = deficit / stderr
    return found
