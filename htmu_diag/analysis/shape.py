"""Numbers of a spectrum that need no fit: extremes, trace, ranks, masses."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from htmu_diag.spectrum import Floats, Spectrum

__all__ = ["SpectrumShape", "numerical_zero", "shape_of"]

# An eigenvalue below this multiple of dimension * lambda_max is rounding of a Gram matrix in float64
# (the backward error of a symmetric eigensolver is a few eps ||A||; Golub & Van Loan, section 8.1).
_EPS = float(np.finfo(np.float64).eps)


@dataclass(frozen=True)
class SpectrumShape:
    """Fit-free numbers of a spectrum; NaN where an empty or zero spectrum has none."""

    dimension: float
    gamma: float
    lambda_max: float
    lambda_min: float
    trace: float
    log_norm: float
    stable_rank: float
    effective_rank: float
    zero_fraction: float
    negative_mass: float

    def numbers(self) -> dict[str, float]:
        """The numbers by their names in `quantities`."""
        return dict(vars(self))


def numerical_zero(dimension: int, largest: float) -> float:
    """What an eigenvalue must exceed to differ from zero, beside the largest one of that many."""
    return _EPS * dimension * float(largest)


def shape_of(spectrum: Spectrum) -> SpectrumShape:
    """Fit-free numbers of a spectrum; ranks are those of the absolute values, so that they stay below the dimension."""
    values, masses = spectrum.values, spectrum.masses
    if values.size == 0:
        return SpectrumShape(float(spectrum.dimension), spectrum.source.gamma, *[math.nan] * 8)
    least, most = values.item(0), values.item(-1)
    magnitude = values if least >= 0 else np.abs(values)
    largest, total = max(most, -least), spectrum.dimension * float(masses @ magnitude)
    nothing = numerical_zero(spectrum.dimension, largest)
    zero = magnitude <= nothing if least <= nothing else None  # all are positive
    return SpectrumShape(
        dimension=float(spectrum.dimension),
        gamma=spectrum.source.gamma,
        lambda_max=most,
        lambda_min=least,
        trace=total if magnitude is values else spectrum.trace(),
        log_norm=math.log10(most) if most > 0 else math.nan,
        stable_rank=total / largest if largest > 0 else math.nan,
        effective_rank=_effective_rank(spectrum, magnitude / total) if total > 0 else math.nan,
        zero_fraction=0.0 if zero is None else float(masses[zero].sum()),
        negative_mass=0.0 if zero is None else float(masses[(values < 0) & ~zero].sum()),
    )


def _effective_rank(spectrum: Spectrum, share: Floats) -> float:
    """exp(-sum p log p) with p = |lambda| / sum |lambda| (Roy & Vetterli 2007)."""
    each = share * np.log(share if share.all() else np.where(share > 0, share, 1.0))
    return float(np.exp(-spectrum.dimension * (spectrum.masses @ each)))
