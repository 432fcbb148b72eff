"""The likeliest scales of Marchenko-Pastur: where an edge of the law passes a value the likelihood has a kink, and so
it has many maxima.

A grid of one step passes over peaks between two kinks: so the best steps of two windows in six parts each, then finer
sets of scales about the highest peaks of these. With x in units of the scale, the density of log x is
sqrt((b - x)(x - a)) / (2 pi gamma) between the edges a and b; under the root is a polynomial in x, so that of all
scales and values it is a product of matrices. All of it is in single precision, for the choice alone: what it leaves is
an edge moved by some 1e-7, beside places a hundredth of a step apart.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from htmu_diag.fits.law_row import Singles
from htmu_diag.fits.law_sample import CONTAMINATION, Sample
from htmu_diag.spectrum import Floats

__all__ = ["highest_peaks"]

# Scales kept, and places about each in parts of a step: of the windows the best steps, then peaks
_ABOUT = [(8, np.arange(-5, 6, 2) / 12), (6, np.arange(-2, 3) / 12), (2, np.arange(-6, 7) / 72)]
_NONE, _ONE = np.array([0, 1], np.float32)  # a Python number takes longer
_FAR = 150.0  # of a logarithm: what is further from a scale counts as that far, and no square overflows
_NEAR, _BELOW = 20.0, -40.0  # as much from the median is a single-precision number, squared too
_TOGETHER = 2000  # values
_NARROW = 1e-3  # of a ratio of sides: the product of a law as narrow cancels


def highest_peaks(samples: Sequence[Sample], gammas: Sequence[float], scales: Floats, heights: Singles) -> Floats:
    """(samples,) logarithms of scales, from log likelihoods at ascending scales, a step apart, (samples, scales) each:
    -inf where a scale is there twice."""
    lanes = np.arange(len(samples))[:, None]
    steps, middles, backgrounds = np.array([(one.step, one.middle, one.background) for one in samples]).T
    low, high = ((1 + sign * np.sqrt(gammas)) ** 2 for sign in (-1, 1))
    share = ((1 - CONTAMINATION) / (2 * math.pi * np.array(gammas) * backgrounds)) ** 2
    alike, alone = _parted(samples, gammas, middles, scales)
    best = heights.argsort(axis=1, kind="stable")
    for kept, places in _ABOUT:
        best = np.sort(best[:, -kept:], axis=1)
        scales = scales[lanes, best][:, :, None] + steps[:, None, None] * places
        scales = scales.reshape(len(samples), -1)
        shrinking = np.exp(np.minimum(np.maximum(middles[:, None] - scales, -_NEAR), _NEAR))
        factors = np.empty((*scales.shape, 3), np.float32)
        factors[:, :, 0] = (-share * low * high)[:, None]
        factors[:, :, 1] = (share * (low + high))[:, None] * shrinking
        factors[:, :, 2] = -share[:, None] * shrinking**2
        heights = np.empty(scales.shape, np.float32)
        for these, of_values, of_each in alike:
            heights[these] = _summed(np.matmul(factors[these], of_values), of_each)
        for i, of_each in alone:
            square = _squares(samples[i].t - scales[i][:, None], share[i], low[i], high[i])
            heights[i] = _summed(square[None], of_each)[0]
        beside = np.full((len(heights), heights.shape[1] + 2), -np.inf, np.float32)
        beside[:, 1:-1] = heights
        peaks = np.where((heights >= beside[:, 2:]) & (heights >= beside[:, :-2]), heights, -np.inf)
        best = peaks.argsort(axis=1, kind="stable")
    return np.asarray(scales[lanes[:, 0], heights.argmax(axis=1)])


def _squares(t: Floats, share: float, low: float, high: float) -> Singles:
    """What the products are, where single precision has no room: what is far from a scale counts as that far."""
    x = np.exp(np.minimum(np.maximum(t, -_FAR), _FAR))
    return np.asarray(np.maximum(share * (high - x) * (x - low), 0.0).astype(np.float32))


def _summed(square: Singles, masses: Singles) -> Singles:
    """(samples, scales) log likelihoods, but for a constant, from the squared densities over backgrounds, which are
    lost, (samples, scales, m), and masses (samples, m, 1)."""
    np.sqrt(np.maximum(square, _NONE, out=square), out=square)
    square += _ONE
    return np.asarray(np.matmul(np.log(square, out=square), masses)[:, :, 0])


def _parted(
    samples: Sequence[Sample], gammas: Sequence[float], middles: Floats, scales: Floats
) -> tuple[list[tuple[list[int], Singles, Singles]], list[tuple[int, Singles]]]:
    """Samples of one size, some at a time for their memory: which, (samples, 3, m) one, x, and its square, of the
    values over the middle, and masses (samples, m, 1). Then those for which single precision has no room, or for their
    scales, one by one: which, and masses (1, m, 1)."""
    sizes: dict[int, list[int]] = {}
    alone = []
    furthest = np.abs(scales - middles[:, None]).max(axis=1).tolist()
    for i, (sample, gamma, middle) in enumerate(zip(samples, gammas, middles.tolist(), strict=True)):
        if max(furthest[i], sample.t.item(-1) - middle) > _NEAR or gamma < _NARROW:
            alone.append((i, sample.masses.astype(np.float32)[None, :, None]))
        else:
            sizes.setdefault(sample.t.size, []).append(i)
    alike = []
    for size, lanes in sizes.items():
        many = max(_TOGETHER // size, 1)
        for these in (lanes[k : k + many] for k in range(0, len(lanes), many)):
            powers = np.ones((len(these), 3, size), np.float32)
            t = np.array([samples[i].t for i in these]) - middles[these, None]
            powers[:, 1] = np.exp(np.minimum(np.maximum(t, _BELOW), _NEAR))
            np.square(powers[:, 1], out=powers[:, 2])
            masses = np.array([samples[i].masses for i in these], np.float32)
            alike.append((these, powers, masses[:, :, None]))
    return alike, alone
