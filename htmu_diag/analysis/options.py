"""What a user may choose about a diagnosis, and why the defaults are what they are."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

import numpy as np

from htmu_diag.spectrum import Source

__all__ = ["Options"]


@dataclass(frozen=True)
class Options:
    """Choices of `diagnose`.

    bootstrap: replicates behind each p-value; 0 turns p-values off. 50 resolve p to 0.02, enough for the levels 0.05
        and 0.1, at 50 fits a layer (15 milliseconds together at n = 1,000); use 1,000 for a published number.
    seed: of the bootstraps. The stream also depends on the layer and the step, so that an offline analysis of a stored
        spectrum gives exactly the number that was logged live.
    tail_only: fit the power law of the upper tail and nothing else: alpha, xmin, KS and norms of a large model at
        little more than the cost of its linear algebra; p-values, kappa, bulk and phases stay without a number.
    magnitudes: fit the tail of |lambda| instead of that of the positive eigenvalues (indefinite operators only).
    """

    bootstrap: int = 50
    seed: int = 0
    tail_only: bool = False
    magnitudes: bool = False

    def rng(self, source: Source) -> np.random.Generator:
        """The generator of this source's bootstraps."""
        return np.random.default_rng(
            [self.seed, source.step or 0, crc32(f"{source.kind.value}/{source.name}".encode())]
        )
