"""What is left of a matrix without its zero rows and columns, and how they are told.

Dead units and pruned structures are rows or columns of zeros. What lives is a matrix of its own: noise in it is the
Marchenko-Pastur law of its own shape. A spectrum shows zeros of the shorter side only; what counted both sides brought
their numbers along (``zero_rows``, ``zero_columns`` among the scalars).
"""

from __future__ import annotations

from dataclasses import dataclass, replace

from htmu_diag.spectrum import Spectrum
from htmu_diag.theory import Evidence, Phase, PhaseReading, classify

__all__ = ["LivingPart", "living_part"]

_SIDES = ("rows", "columns")
_COUNTS = [f"{what}_{side}" for what in ("zero", "copied") for side in _SIDES]


@dataclass(frozen=True)
class LivingPart:
    """shape: of the rows and columns that are not zero. zeros, copies: in words, empty where there are none."""

    shape: tuple[int, int]
    zeros: str = ""
    copies: str = ""

    @property
    def gamma(self) -> float:
        """Aspect ratio of what lives, the smaller side over the larger."""
        return min(self.shape) / max(self.shape)

    def within(self, phase: PhaseReading, near_zero: float, dimension: int) -> PhaseReading:
        """The phase of the whole matrix, from that of what lives: its rank has collapsed where zeros are many.

        near_zero, dimension: of the whole, as in `Evidence`.
        """
        if not self.zeros and not self.copies:
            return phase
        whole = classify(Evidence(dimension, near_zero))
        if self.zeros and whole.phase is Phase.RANK_COLLAPSE is not phase.phase:
            known = "" if phase.phase is Phase.UNDETERMINED else f", is {phase.phase.value}"
            lives = f"what lives, {self.shape[0]} x {self.shape[1]}{known}: {phase.reason}"
            phase, said = replace(whole, reason=f"{whole.reason}; {self.zeros}; {lives}"), self.copies
        else:
            said = "; ".join(filter(None, (self.zeros and f"{self.zeros}, left out", self.copies)))
        return replace(phase, reason=f"{phase.reason}; {said}") if said else phase


def living_part(spectrum: Spectrum) -> LivingPart:
    """The living part of the matrix behind a spectrum; the whole of it where nothing was counted."""
    shape, scalars = spectrum.source.shape, spectrum.scalars
    if not any(name in scalars for name in _COUNTS):
        return LivingPart(shape)
    zero, copied = ([_count(spectrum, f"{what}_{side}") for side in _SIDES] for what in ("zero", "copied"))
    copies = _said(copied, shape, "a copy of another", "copies of others")
    rows, columns = (size - count for size, count in zip(shape, zero, strict=True))
    if rows < 1 or columns < 1:
        return LivingPart(shape, copies=copies)
    return LivingPart((rows, columns), _said(zero, shape, "zero", "zero"), copies)


def _count(spectrum: Spectrum, name: str) -> int:
    count = spectrum.scalars.get(name, 0.0)
    return int(count) if count > 0 else 0


def _said(counts: list[int], shape: tuple[int, int], one: str, many: str) -> str:
    """
    >>> _said([0, 20], (256, 512), "zero", "zero"), _said([1, 0], (256, 512), "zero", "zero")
    ('20 of 512 columns are zero', '1 of 256 rows is zero')
    """
    parts = [f"{n} of {of} {side}" for n, of, side in zip(counts, shape, _SIDES, strict=True) if n]
    return f"{' and '.join(parts)} {f'is {one}' if sum(counts) == 1 else f'are {many}'}" if parts else ""
