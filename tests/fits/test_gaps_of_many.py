"""Gap ratios of many spectra at once."""

import itertools

import numpy as np
import pytest

from htmu_diag.fits import gap_ratio
from htmu_diag.fits.gaps import gap_ratios


def by_hand(values: np.ndarray) -> tuple[float, float, int]:
    gaps = np.diff(np.sort(values))
    pairs = [(min(a, b), max(a, b)) for a, b in itertools.pairwise(gaps)]
    ratios = np.array([low / high for low, high in pairs if high > 0])
    off = ratios - ratios.mean()
    variance = np.mean(off**2) + 2 * np.mean(off[1:] * off[:-1])
    return float(ratios.mean()), float(np.sqrt(max(variance, 0.0) / ratios.size)), ratios.size


@pytest.mark.parametrize("seed", range(3))
def test_each_is_what_it_is_alone_and_by_hand(seed: int) -> None:
    """Also with repeated values, beside spectra that have no ratio, to the last bit."""
    rng = np.random.default_rng(seed)
    spectra = [rng.gamma(1, size=size) for size in (10, 64, 33)]
    spectra += [np.repeat(rng.gamma(1, size=30), 3), np.ones(20), np.array([1.0, np.nan]), rng.random(200)]
    order = rng.permutation(len(spectra))
    for place, found in zip(order, gap_ratios([spectra[i] for i in order]), strict=True):
        assert repr(found) == repr(gap_ratio(spectra[place]))
        if found.status.ok:
            assert (found.mean, found.stderr, found.n) == pytest.approx(by_hand(spectra[place]), rel=1e-12)
