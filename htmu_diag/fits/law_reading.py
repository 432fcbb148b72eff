"""Whether a fitted law describes the data, in words."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal

from htmu_diag.fits.null_table import LEAST_P, is_least

__all__ = ["DESCRIBES_LEVEL", "LawReading", "Place", "place_of"]

# One fit in a hundred to the law's own matrices is called wrong
DESCRIBES_LEVEL = 0.01
Place = Literal["", "zero", "bulk", "edge", "tail"]
_PLACES: tuple[tuple[float, Place], ...] = ((0.1, "zero"), (0.75, "bulk"), (0.95, "edge"), (1.0, "tail"))
_IN_WORDS = {"zero": "near zero", "bulk": "in the bulk", "edge": "at the upper edge", "tail": "in the tail", "": ""}


@dataclass(frozen=True)
class LawReading:
    """word: "describes", "does not describe", "noise" (as much repulsion as noise has, or more), "no fit", or
    "not tested" (no null law for this sample). reason: a sentence with the numbers behind it.
    """

    word: str
    reason: str

    @property
    def stands(self) -> bool:
        """True unless the law is known not to describe the data, or there is none."""
        return self.word not in ("does not describe", "no fit")

    @classmethod
    def of(cls, ks: float, p: float, where: Place, *, noise: bool, n: int) -> LawReading:
        """From the KS distance to a fitted law, its p-value, and the place where it misses."""
        if p < DESCRIBES_LEVEL:
            numbers = f"KS {ks:.3f}, p {'below ' if is_least(p) else ''}{max(p, LEAST_P):.2g}"
            return cls("does not describe", f"{numbers}, misses most {_IN_WORDS[where]}")
        if noise:
            return cls("noise", f"kappa is N = {n} or more: the density is that of noise")
        if math.isnan(p):
            return cls("not tested", f"KS {ks:.3f}; no null law for this kind of sample")
        return cls("describes", f"KS {ks:.3f}, p {p:.2g}")


def place_of(share: float) -> Place:
    """The part of a spectrum in which the value with this share of the others below it lies."""
    return next(name for limit, name in _PLACES if share <= limit)
