"""The one value that flows through the house: a spectrum, as a point measure of known mass.

A spectrum of an operator of dimension N is the measure (1/N) sum_i delta(lambda_i). It is known in one of three ways:
all eigenvalues (``exact``: N atoms of mass 1/N), the k largest (``top_k``: k atoms of mass 1/N, the rest is censored),
or a quadrature rule (``quadrature``: nodes with masses that sum to one; the nodes are *not* eigenvalues).
"""

from __future__ import annotations

import functools
import warnings
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from types import MappingProxyType
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import Rule, check_fields, instance, optional, real_array, whole
from htmu_diag.errors import InputError
from htmu_diag.kinds import Kind

__all__ = ["Estimator", "Floats", "Kind", "Source", "Spectrum"]

Floats = npt.NDArray[np.float64]
Method = Literal["exact", "top_k", "quadrature"]


def _is_shape(value: Any) -> bool:
    return isinstance(value, tuple | list) and len(value) == 2 and all(whole(1, 2**62).holds(side) for side in value)


_SHAPE = Rule("(rows, columns), both from 1 on", _is_shape)
_NO_SCALARS: Mapping[str, float] = MappingProxyType({})


@dataclass(frozen=True)
class Source:
    """Where a spectrum comes from; it travels with the numbers.

    kind: what was measured.
    name: the layer or the part of the model, as in ``named_parameters`` without wrappers; "model" for the whole.
    shape: (rows, columns) of the matrix whose Gram matrix was diagonalised, or (N, N) of a symmetric operator.
    step: optimizer steps taken when it was measured; None outside training.
    unit: what the values are, in words, such as "eigenvalues of W^T W / max(shape)".
    """

    kind: Kind
    name: str
    shape: tuple[int, int]
    step: int | None = None
    unit: str = ""

    def __post_init__(self) -> None:
        check_fields(
            self,
            kind=instance("a kind", str),
            name=instance("a name", str),
            shape=_SHAPE,
            step=optional(whole(-(2**62), 2**62)),
        )
        object.__setattr__(self, "kind", Kind(self.kind))

    @property
    def gamma(self) -> float:
        """Aspect ratio of the matrix, the smaller side over the larger, in (0, 1]."""
        return min(self.shape) / max(self.shape)

    def label(self) -> str:
        """The source in words for messages: "fc1.weight (weights, step 100)"."""
        step = "" if self.step is None else f", step {self.step}"
        return f"{self.name} ({self.kind.value}{step})"


@dataclass(frozen=True)
class Estimator:
    """How a spectrum was computed.

    method: exact, top_k or quadrature.
    routine: the algorithm and its policy ("gram_eigvalsh float64", "svdvals float32", "lanczos 64x4 deflated").
    products: matrix-vector products spent; 0 where none was counted.
    """

    method: Method = "exact"
    routine: str = ""
    products: int = 0


@dataclass(frozen=True)
class Spectrum:
    """A point measure of known mass on the real line, with its source.

    values: (n,) ascending, finite, float64.
    masses: (n,) non-negative; 1/dimension each for exact and top-k spectra, those of the rule for a quadrature.
    dimension: number of eigenvalues of the operator (n for exact spectra, more otherwise).
    scalars: single numbers measured together with it, under names of ``analysis.quantities`` ("entropy_deficit").
    path: (n,) the same values in the order in which they came about, where they have one (`htmu_diag.series.Series`).
    """

    values: Floats
    masses: Floats
    dimension: int
    source: Source
    estimator: Estimator = Estimator()
    scalars: Mapping[str, float] = field(default_factory=lambda: _NO_SCALARS)
    path: Floats | None = None

    def __post_init__(self) -> None:
        values = np.ascontiguousarray(self.values, dtype=np.float64)
        masses = np.ascontiguousarray(self.masses, dtype=np.float64)
        instance("a Source", Source)("source", self.source)
        self._refuse_bad_shape(values, masses)
        self._refuse_non_finite(values, masses)
        if (values[1:] < values[:-1]).any():
            order = np.argsort(values, kind="stable")
            values, masses = values[order], masses[order]
        values, masses = values.view(), masses.view()
        values.flags.writeable = masses.flags.writeable = False
        object.__setattr__(self, "values", values)
        object.__setattr__(self, "masses", masses)
        if self.path is not None:
            object.__setattr__(self, "path", self._checked_path(self.path))
        object.__setattr__(self, "scalars", MappingProxyType(self._numbers()))

    def __reduce__(self) -> tuple[type[Spectrum], tuple[object, ...]]:
        """Copied and sent between processes by its fields (a mapping proxy cannot be pickled)."""
        measure = (self.values, self.masses, self.dimension, self.source, self.estimator)
        return Spectrum, (*measure, dict(self.scalars), self.path)

    @classmethod
    def exact(
        cls, values: npt.ArrayLike, source: Source, *, routine: str = "", scalars: Mapping[str, float] = _NO_SCALARS
    ) -> Spectrum:
        """All eigenvalues of an operator, each with mass 1/n. Raises InputError on NaN or infinite values."""
        array = real_array(values)
        mass = np.full(array.shape, 1.0 / max(array.size, 1))
        return cls(array, mass, array.size, source, Estimator("exact", routine), scalars)

    @classmethod
    def top_k(
        cls,
        values: npt.ArrayLike,
        dimension: int,
        source: Source,
        *,
        routine: str = "",
        products: int = 0,
        scalars: Mapping[str, float] = _NO_SCALARS,
    ) -> Spectrum:
        """The k largest of ``dimension`` eigenvalues; the rest is known only to lie below them (censored)."""
        array = real_array(values)
        mass = np.full(array.shape, 1.0 / max(dimension, 1))
        return cls(array, mass, dimension, source, Estimator("top_k", routine, products), scalars)

    @property
    def mass(self) -> float:
        """Total mass: 1 for exact and quadrature spectra, k/dimension for top-k ones."""
        return float(self.masses.sum())

    @property
    def is_censored(self) -> bool:
        """True where only the largest eigenvalues are known."""
        return self.estimator.method == "top_k"

    def moment(self, order: int) -> float:
        """The integral of x**order against the measure (the normalised trace of the operator's power)."""
        return float(self.masses @ (self.values if order == 1 else self.values**order))

    def trace(self) -> float:
        """Sum of the eigenvalues, dimension * moment(1); of the known ones only where the spectrum is censored."""
        return self.dimension * self.moment(1)

    def sample(self) -> Floats:
        """The eigenvalues themselves, (n,) ascending, for estimators that count them.

        Raises InputError for a quadrature rule: its nodes are not eigenvalues; counting them gives a wrong exponent.
        """
        if self.estimator.method == "quadrature":
            raise InputError(
                f"{self.source.label()}: a quadrature spectrum has nodes and masses, not eigenvalues; "
                "fit it with its masses, or measure the largest eigenvalues with top_k"
            )
        return self.values

    @property
    def weights(self) -> Floats:
        """The former name of `masses`; gone in the next version."""
        warnings.warn("Spectrum.weights is now Spectrum.masses", DeprecationWarning, stacklevel=2)
        return self.masses

    def at_step(self, step: int | None) -> Spectrum:
        """The same spectrum, marked with another step."""
        return replace(self, source=replace(self.source, step=step))

    def _numbers(self) -> dict[str, float]:
        try:
            return {str(name): float(value) for name, value in self.scalars.items()}
        except (TypeError, ValueError, RuntimeError, AttributeError) as error:
            raise InputError(
                f"{self.source.label()}: a scalar is no single number ({error}); pass a mapping of names to floats"
            ) from error

    def _checked_path(self, given: Floats) -> Floats:
        path = np.array(given, dtype=np.float64)
        if path.shape != self.values.shape or not (np.sort(path) == self.values).all():
            raise InputError(f"{self.source.label()}: the path holds other values; pass the same in order of time")
        path.flags.writeable = False
        return path

    def _refuse_bad_shape(self, values: Floats, masses: Floats) -> None:
        if values.ndim != 1 or values.shape != masses.shape:
            raise InputError(
                f"{self.source.label()}: values {values.shape} and masses {masses.shape} must be one-dimensional "
                "and of equal length; pass one mass for each value"
            )
        if self.dimension < 0 or (self.estimator.method != "quadrature" and values.size > self.dimension):
            raise InputError(
                f"{self.source.label()}: {values.size} values for an operator of dimension {self.dimension}; "
                "pass the operator's own dimension"
            )

    def _refuse_non_finite(self, values: Floats, masses: Floats) -> None:
        bad = values.size - int(np.isfinite(values).sum())
        if bad:
            raise InputError(
                f"{self.source.label()}: {bad} of {values.size} values are NaN or infinite; "
                "look for a diverged layer (a loss of NaN, too large a learning rate) and skip it"
            )
        if not (np.isfinite(masses).all() and (masses >= 0).all()):
            raise InputError(
                f"{self.source.label()}: masses must be finite and non-negative; check the quadrature rule"
            )


def _take_former_name() -> None:
    """``Spectrum(weights=...)`` still means masses; gone in the next version."""
    init = Spectrum.__init__

    @functools.wraps(init)
    def renamed(self: Spectrum, *values: Any, **named: Any) -> None:
        if "weights" in named:
            warnings.warn("Spectrum(weights=...) is now Spectrum(masses=...)", DeprecationWarning, stacklevel=2)
            named["masses"] = named.pop("weights")
        init(self, *values, **named)

    Spectrum.__init__ = renamed  # type: ignore[method-assign]


_take_former_name()
