"""A snapshot on its way from the training thread to the store."""

from __future__ import annotations

from dataclasses import dataclass, field

from htmu_diag.probes import Pending
from htmu_diag.spectrum import Spectrum

__all__ = ["Measured"]


@dataclass
class Measured:
    """A snapshot as the training thread leaves it.

    items: (probe, order, spectrum or the work that gives it). seconds: what each probe took so far. scalars: numbers of
    the training that belong to the snapshot.
    """

    step: int
    wall_time: float
    probes: tuple[str, ...]
    items: list[tuple[str, int, Spectrum | Pending]] = field(default_factory=list)
    events: list[str] = field(default_factory=list)
    seconds: dict[str, float] = field(default_factory=dict)
    scalars: dict[str, float] = field(default_factory=dict)

    @property
    def expected(self) -> float:
        """CPU seconds that decomposing its small matrices takes, wherever it is done."""
        waiting = [item.alike for _, _, item in self.items if isinstance(item, Pending)]
        return sum(alike.seconds for alike in waiting if alike)

    def spent(self, probe: str, seconds: float) -> None:
        """A probe took so many more."""
        self.seconds[probe] = self.seconds.get(probe, 0.0) + seconds
