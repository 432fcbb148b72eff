"""Families of laws above xmin: how the parameters that a search moves become those of a law, and their errors.

A family states its own transforms. The search moves variables p of order one, in units of xmin; a parameter is
``value(p)`` times a power of xmin, and its standard error is that of p times ``slope(p)``, the derivative, times the
same power (the delta method in one variable).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from types import MappingProxyType
from typing import Literal

import numpy as np

from htmu_diag.errors import InputError
from htmu_diag.laws import Exponential, Lognormal, PowerLaw, StretchedExponential, TruncatedPowerLaw
from htmu_diag.laws.base import ContinuousLaw
from htmu_diag.spectrum import Floats

__all__ = ["TAIL_LAWS", "Parameter", "TailFamily", "TailLaw", "tail_family"]

TailLaw = Literal["power_law", "truncated_power_law", "lognormal", "exponential", "stretched_exponential"]
_RISES = "the likelihood still rises at the edge of the domain; another law fits better"


@dataclass(frozen=True)
class Parameter:
    """One parameter of a law: what it is of the search's own variable p, which is free and of order one.

    name: attribute of the law. value, slope: the parameter in units of xmin, and its derivative, at p. unit: the power
    of xmin that turns it back. bounds: of p.
    """

    name: str
    value: Callable[[float], float]
    slope: Callable[[float], float]
    bounds: tuple[float, float]
    unit: int = 0

    @classmethod
    def plain(cls, name: str, bounds: tuple[float, float]) -> Parameter:
        """Searched as it is."""
        return cls(name, lambda p: p, lambda p: 1.0, bounds)

    @classmethod
    def positive(
        cls, name: str, bounds: tuple[float, float] = (-25.0, 8.0), *, above: float = 0.0, unit: int = 0
    ) -> Parameter:
        """Searched by the logarithm of its distance from ``above``."""
        return cls(name, lambda p: above + math.exp(p), math.exp, bounds, unit)


@dataclass(frozen=True)
class TailFamily:
    """A family of laws above xmin, for `fit_tail_law` and `compare`; one of your own is passed as it is.

    build: the law, from its parameters in units of xmin, and xmin. start: p to search from, from values over xmin.
    exponent: the parameter that is the exponent of the tail's density, "" where it has none.
    contains: names of families that it contains. at_edge: what a maximum at the edge of the bounds means.
    """

    name: str
    build: Callable[[Sequence[float], float], ContinuousLaw]
    parameters: tuple[Parameter, ...]
    start: Callable[[Floats], tuple[float, ...]]
    exponent: str = ""
    contains: frozenset[str] = frozenset()
    at_edge: str = _RISES

    def law(self, point: Sequence[float] | Floats, xmin: float) -> ContinuousLaw:
        """The law at a point (k,) of the search."""
        return self.build([one.value(float(p)) for one, p in zip(self.parameters, point, strict=True)], xmin)

    def stderr(self, point: Floats, errors: Floats, xmin: float) -> dict[str, float]:
        """Standard errors of the parameters from those of the search, by the slopes."""
        rows = zip(self.parameters, point, errors, strict=True)
        return {one.name: float(error * one.slope(float(p)) * xmin**one.unit) for one, p, error in rows}


def _alpha(u: Floats) -> float:
    return 1 + 1 / float(np.log(u).mean())


_FAMILIES = (
    TailFamily(
        "power_law",
        lambda v, x: PowerLaw(v[0], x),
        (Parameter.positive("alpha", (-20.0, 20.0), above=1.0),),
        lambda u: (math.log(_alpha(u) - 1),),
        exponent="alpha",
    ),
    TailFamily(
        "truncated_power_law",
        lambda v, x: TruncatedPowerLaw(v[0], v[1] / x, x),
        (Parameter.plain("alpha", (-100.0, 100.0)), Parameter.positive("rate", unit=-1)),
        lambda u: (_alpha(u), -math.log(u[-1])),
        contains=frozenset({"power_law", "exponential"}),
        at_edge="no cutoff within the data: the pure power law is as likely; report that one",
    ),
    TailFamily(
        "lognormal",
        lambda v, x: Lognormal(v[0] + math.log(x), v[1], x),
        (Parameter.plain("mu", (-200.0, 50.0)), Parameter.positive("sigma", (-8.0, 5.0))),
        lambda u: (float(np.log(u).mean()), math.log(float(np.log(u).std()))),
    ),
    TailFamily(
        "exponential",
        lambda v, x: Exponential(v[0] / x, x),
        (Parameter.positive("rate", unit=-1),),
        lambda u: (-math.log(u.mean() - 1),),
    ),
    TailFamily(
        "stretched_exponential",
        lambda v, x: StretchedExponential(v[0] / x, v[1], x),
        (Parameter.positive("rate", (-40.0, 8.0), unit=-1), Parameter.positive("beta", (-5.0, 4.0))),
        lambda u: (-math.log(u.mean()), -0.7),
        contains=frozenset({"exponential"}),
    ),
)
TAIL_LAWS: Mapping[str, TailFamily] = MappingProxyType({family.name: family for family in _FAMILIES})


def tail_family(law: TailLaw | TailFamily) -> TailFamily:
    """The family of that name, or the given one. Raises InputError for a name that is not in ``TAIL_LAWS``."""
    if isinstance(law, TailFamily):
        return law
    if law not in TAIL_LAWS:
        raise InputError(f"no tail law {law!r}; choose from {', '.join(TAIL_LAWS)}, or pass a TailFamily")
    return TAIL_LAWS[law]
