"""Values in the order in which they came about: lengths of steps, norms of gradients.

A spectrum has no order, a path has: a tail of lengths that fall twenty-fold during a training is the fall, not a tail.
A `Series` travels and is stored as a spectrum of atoms of equal mass that keeps the order (``Spectrum.path``).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

import numpy as np

from htmu_diag.spectrum import Estimator, Floats, Source, Spectrum

__all__ = ["Series"]


@dataclass(frozen=True)
class Series:
    """values: (n,) finite, the oldest first. source, scalars: as of a spectrum."""

    values: Floats
    source: Source
    scalars: Mapping[str, float] = field(default_factory=dict)

    @classmethod
    def of(cls, spectrum: Spectrum) -> Series | None:
        """The series that a spectrum was made from, None for one without an order."""
        return None if spectrum.path is None else cls(spectrum.path, spectrum.source, spectrum.scalars)

    def spectrum(self, routine: str = "") -> Spectrum:
        """The same values as a measure, with their order. Raises InputError on NaN or infinite values."""
        values = np.asarray(self.values, dtype=np.float64)
        masses = np.full(values.shape, 1.0 / max(values.size, 1))
        estimator = Estimator("exact", routine)
        return Spectrum(values, masses, values.size, self.source, estimator, self.scalars, path=values)
