"""Samples in one array give what each gives alone."""

import numpy as np
import pytest

from htmu_diag.fits.side_by_side import SideBySide


@pytest.mark.parametrize("sizes", [[1], [300], [3, 1, 130, 17, 2000]])
def test_sums_of_samples_side_by_side_have_the_bits_of_each_alone(sizes):
    rng = np.random.default_rng(0)
    samples = [rng.random(size) for size in sizes]
    beside = SideBySide.of(samples)
    assert beside.sums(beside.values).tolist() == [sample.sum() for sample in samples]
    assert beside.means(beside.values).tolist() == [sample.mean() for sample in samples]
    table = np.concatenate([np.outer([1.0, -3.0, 0.7], sample) for sample in samples], axis=1)
    alone = np.stack([np.outer([1.0, -3.0, 0.7], sample).sum(axis=1) for sample in samples], axis=1)
    assert np.array_equal(beside.sums(table), alone)


def test_a_number_of_each_sample_goes_to_each_of_its_values():
    beside = SideBySide.of([np.zeros(2), np.zeros(1), np.zeros(3)])
    assert beside.each(np.array([5, 6, 7])).tolist() == [5, 5, 6, 7, 7, 7]
    assert beside.each(np.array([[5, 6, 7], [1, 2, 3]])).tolist() == [[5, 5, 6, 7, 7, 7], [1, 1, 2, 3, 3, 3]]
    assert (SideBySide.of([np.zeros(4)]).each(np.array([5])) * np.ones(4)).tolist() == [5] * 4
