"""Samples of different sizes in one array, so that a numpy call serves all of them.

What is done value by value has the same bits there as alone. Sums are taken one by one: numpy adds in pairs, and where
the pairs lie depends on where a sum begins.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from htmu_diag.spectrum import Floats

__all__ = ["SideBySide"]


@dataclass(frozen=True)
class SideBySide:
    """values: of all samples, one after the other; sizes, starts: of each (none is empty)."""

    values: npt.NDArray[Any]
    sizes: npt.NDArray[np.intp]
    starts: npt.NDArray[np.intp]

    @classmethod
    def of(cls, samples: Sequence[npt.NDArray[Any]]) -> SideBySide:
        """Of one sample or more."""
        if len(samples) == 1:
            return cls(samples[0], np.array([samples[0].size]), np.zeros(1, np.intp))
        sizes = np.array([sample.size for sample in samples])
        return cls(np.concatenate(samples), sizes, sizes.cumsum() - sizes)

    def each(self, of_samples: npt.NDArray[Any]) -> npt.NDArray[Any]:
        """Numbers of each sample, (..., samples), for each of its values; of one sample that number alone."""
        return of_samples if self.sizes.size == 1 else np.asarray(of_samples.repeat(self.sizes, axis=-1))

    def sums(self, values: Floats) -> Floats:
        """Of a number of each value, (..., values): (..., samples), each as of the sample alone."""
        found = np.empty((*values.shape[:-1], self.sizes.size))
        for k, (start, size) in enumerate(zip(self.starts.tolist(), self.sizes.tolist(), strict=True)):
            np.add.reduce(values[..., start : start + size], axis=-1, out=found[..., k])
        return found

    def means(self, values: Floats) -> Floats:
        """Of a number of each value, (..., values): (..., samples)."""
        return np.asarray(self.sums(values) / self.sizes)
