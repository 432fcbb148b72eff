"""The likeliest scales of Marchenko-Pastur: where an edge of the law passes a value the likelihood has a kink, and so
it has many maxima.

A grid of one step passes over peaks between two kinks: so the best steps of two windows in six parts each, then finer
sets of scales about the highest peaks of these. With x in units of the scale, the density of log x is
sqrt((b - x)(x - a)) / (2 pi gamma) between the edges a and b; under the root is a polynomial in x, so that of all
scales and values it is a product of matrices. Logarithms are in single precision, for the choice alone.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import pairwise

import numpy as np

from htmu_diag.fits.law_row import Singles
from htmu_diag.fits.law_sample import CONTAMINATION, Sample
from htmu_diag.spectrum import Floats

__all__ = ["highest_peaks"]

# Scales kept, and places about each in parts of a step: of the windows the best steps, then peaks
_ABOUT = [(8, np.arange(-5, 6, 2) / 12), (6, np.arange(-2, 3) / 12), (2, np.arange(-6, 7) / 72)]
_NONE, _ONE = np.array(0.0), np.array(1, np.float32)  # a Python number takes longer
_FAR = 150.0  # of a logarithm: what is further from the median counts as that far, and no square overflows


def highest_peaks(samples: Sequence[Sample], gammas: Sequence[float], scales: Floats, heights: Singles) -> Floats:
    """(samples,) logarithms of scales, from log likelihoods at ascending scales, a step apart, (samples, scales) each:
    -inf where a scale is there twice."""
    lanes = np.arange(len(samples))[:, None]
    steps, middles, backgrounds = np.array([(one.step, one.middle, one.background) for one in samples]).T
    low, high = ((1 + sign * np.sqrt(gammas)) ** 2 for sign in (-1, 1))
    share = ((1 - CONTAMINATION) / (2 * math.pi * np.array(gammas) * backgrounds)) ** 2
    values, masses = _powers(samples, middles), [sample.masses.astype(np.float32) for sample in samples]
    best = heights.argsort(axis=1, kind="stable")
    for kept, places in _ABOUT:
        best = np.sort(best[:, -kept:], axis=1)
        scales = scales[lanes, best][:, :, None] + steps[:, None, None] * places
        scales = scales.reshape(len(samples), -1)
        shrinking = np.exp(np.minimum(np.maximum(middles[:, None] - scales, -_FAR), _FAR))
        factors = np.empty((*scales.shape, 3))
        factors[:, :, 0] = (-share * low * high)[:, None]
        factors[:, :, 1] = (share * (low + high))[:, None] * shrinking
        factors[:, :, 2] = -share[:, None] * shrinking**2
        heights = np.empty(scales.shape, np.float32)
        ends = zip(share, low, high, strict=True)
        each = zip(samples, scales, factors, values, masses, ends, heights, strict=True)
        for sample, at, factor, powers, of_each, end, found in each:
            roots = _far(sample.t - at[:, None], *end) if powers is None else factor @ powers
            np.maximum(roots, _NONE, out=roots)
            density = roots.astype(np.float32)
            np.sqrt(density, out=density)
            density += _ONE
            np.matmul(np.log(density, out=density), of_each, out=found)
        beside = np.full((len(heights), heights.shape[1] + 2), -np.inf, np.float32)
        beside[:, 1:-1] = heights
        peaks = np.where((heights >= beside[:, 2:]) & (heights >= beside[:, :-2]), heights, -np.inf)
        best = peaks.argsort(axis=1, kind="stable")
    return np.asarray(scales[lanes[:, 0], heights.argmax(axis=1)])


def _far(t: Floats, share: float, low: float, high: float) -> Floats:
    """What the products are, where values lie too far apart for one unit: those far from a scale count as that far."""
    x = np.exp(np.minimum(np.maximum(t, -_FAR), _FAR))
    return np.asarray(share * (high - x) * (x - low))


def _powers(samples: Sequence[Sample], middles: Floats) -> list[Floats | None]:
    """(3, m) one, x, and its square, of the values over the middle; None where some are too far from it."""
    counts = [sample.t.size for sample in samples]
    t = np.concatenate([sample.t for sample in samples]) - np.repeat(middles, counts)
    powers = np.ones((3, t.size))
    powers[1] = np.exp(np.minimum(np.maximum(t, -_FAR), _FAR))
    np.square(powers[1], out=powers[2])
    ends, pairs = np.cumsum([0, *counts]).tolist(), zip(samples, middles.tolist(), strict=True)
    far = [max(middle - float(sample.t[0]), float(sample.t[-1]) - middle) > _FAR for sample, middle in pairs]
    return [
        None if beyond else np.ascontiguousarray(powers[:, a:b])
        for beyond, (a, b) in zip(far, pairwise(ends), strict=True)
    ]
