"""What a user may choose about a diagnosis, and why the defaults are what they are."""

from __future__ import annotations

from dataclasses import dataclass
from zlib import crc32

from htmu_diag.analysis.hold import HOLD
from htmu_diag.arguments import FLAG, check_fields, whole
from htmu_diag.nearest import answering_fields
from htmu_diag.spectrum import Source

__all__ = ["Options"]

# the tables of each are made once and kept: of 48 layers and 100 replicates 9 MB at n = 128, 60 MB at 768, all streams
_STREAMS = 16


@answering_fields
@dataclass(frozen=True)
class Options:
    """Choices of `diagnose`.

    bootstrap: replicates behind each p-value; 0 turns p-values off. 100 resolve p to 0.01 and leave alpha's error an
        error of 6 to 9 % (50: 10 to 14 %), at 100 fits a layer (4 milliseconds together at n = 1,000); use 1,000 for a
        published number.
    seed: of the bootstraps. Their random numbers are one of sixteen streams, by the name of the layer and not by the
        step: a frozen layer has frozen numbers, p and errors move with the values alone, and an offline analysis of a
        stored spectrum gives exactly the number that was logged live. Layers of one stream share its numbers, and
        all models of one seed the streams: a quarter of the error of a p-value (0.03 at p = 0.1 of 100 replicates) is
        common to a model's layers of one size and does not average out. For a count over hundreds of layers more
        replicates tell more, or another seed.
    tail_only: fit the power law of the upper tail and nothing else: alpha, xmin, KS and norms of a large model at
        little more than the cost of its linear algebra; p-values, kappa, bulk and phases stay without a number.
    magnitudes: fit the tail of |lambda| instead of that of the positive eigenvalues (indefinite operators only).
    hold: measurements in a row that a change of phase must last before it is shown (``analysis.hold``); what is stored
        is the verdict of each spectrum alone.
    """

    bootstrap: int = 100
    seed: int = 0
    tail_only: bool = False
    magnitudes: bool = False
    hold: int = HOLD

    def __post_init__(self) -> None:
        check_fields(
            self, bootstrap=whole(0, 10**6), seed=whole(0, 2**62), tail_only=FLAG, magnitudes=FLAG, hold=whole(1)
        )

    def rng(self, source: Source) -> int:
        """The seed of this source's bootstraps: one of sixteen for each seed, whose numbers are kept."""
        return _STREAMS * self.seed + crc32(f"{source.kind.value}/{source.name}".encode()) % _STREAMS
