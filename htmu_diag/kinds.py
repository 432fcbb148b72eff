"""What a spectrum is the spectrum of, and what that says about its fits. Open: a probe brings its own kind.

    Kind("attention", orientation="inverse", bulk=True, lower_tail=True)

A kind is its name; what is said beside it decides which laws are fitted: a Marchenko-Pastur bulk, HTMP or inverse HTMP
(the orientation that the field uses), a power law of the lower tail. Of a kind about which nothing is said the upper
tail is fitted, nothing else.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypedDict

from htmu_diag.errors import InputError

if TYPE_CHECKING:
    from typing_extensions import Unpack

__all__ = ["Kind", "Orientation"]

Orientation = Literal["direct", "inverse"]


class Traits(TypedDict, total=False):
    """What may be said of a kind beside its name."""

    orientation: Orientation
    bulk: bool
    lower_tail: bool
    of_weights: bool


_NAME = re.compile(r"[A-Za-z][A-Za-z0-9_]*")


class _Kinds(type):
    """``for kind in Kind``: those of this package."""

    def __iter__(cls) -> Iterator[Kind]:
        return iter(_OWN.values())


class Kind(str, metaclass=_Kinds):
    """The first word of the tags of a spectrum (``weights_alpha/<layer>``).

    orientation: in which HTMP is fitted: "direct" (weights), or "inverse" (kernels of features).
    bulk: whether random matrices of this kind have a Marchenko-Pastur bulk: then bulk, HTMP, gaps and phase are fitted.
    lower_tail: whether the lower tail has an exponent of its own.
    of_weights: whether the values are those of a weight matrix W, which then has norms.

    Two kinds of one name are equal. ``Kind("weights")`` is what was said of that name last. Raises InputError for a
    name that is no word, and where other things are said of a kind of this package.
    """

    orientation: Orientation
    bulk: bool
    lower_tail: bool
    of_weights: bool

    WEIGHTS: ClassVar[Kind]
    UPDATES: ClassVar[Kind]
    NTK: ClassVar[Kind]
    CONJUGATE_KERNEL: ClassVar[Kind]
    JACOBIAN: ClassVar[Kind]
    INPUTS: ClassVar[Kind]
    ACTIVATIONS: ClassVar[Kind]
    HESSIAN: ClassVar[Kind]
    GGN: ClassVar[Kind]
    FISHER: ClassVar[Kind]
    GRADIENT_NOISE: ClassVar[Kind]
    TRAJECTORY: ClassVar[Kind]
    GRADIENT_NORM: ClassVar[Kind]

    def __new__(cls, value: str, **traits: Unpack[Traits]) -> Kind:
        if not traits and isinstance(value, Kind):
            return value
        if not traits and value in _KNOWN:
            return _KNOWN[value]
        kind = cls._made(value, dict(traits))
        if value in _OWN and kind.traits != _OWN[value].traits:
            raise InputError(f"the kind {value!r} is one of htmu_diag's own; give another one another name")
        if traits:
            _KNOWN[value] = kind
        return kind

    @classmethod
    def _made(cls, value: str, traits: dict[str, Any]) -> Kind:
        if not isinstance(value, str) or not _NAME.fullmatch(value):
            raise InputError(f"kind {value!r}: one word of letters, digits and underscores, such as 'attention'")
        known = {"orientation": "direct", "bulk": False, "lower_tail": False, "of_weights": False}
        unknown = sorted(traits.keys() - known.keys())
        if unknown or traits.get("orientation", "direct") not in ("direct", "inverse"):
            raise InputError(f"kind {value!r}: {unknown or traits['orientation']}; it has {', '.join(known)}")
        kind = super().__new__(cls, value)
        for name, default in known.items():
            setattr(kind, name, traits.get(name, default))
        return kind

    @property
    def value(self) -> str:
        """The name."""
        return str.__str__(self)

    @property
    def traits(self) -> dict[str, Any]:
        """What is said of it, by the names above."""
        return {**vars(self)}

    @property
    def is_own(self) -> bool:
        """Whether it is one of this package's."""
        return self.value in _OWN

    @classmethod
    def again(cls, value: str, traits: dict[str, Any]) -> Kind:
        """A kind from a file or another process, with what was said of it there; nothing is declared here."""
        return _OWN[value] if value in _OWN else cls._made(value, traits)

    def __repr__(self) -> str:
        return f"Kind({self.value!r})"

    def __reduce__(self) -> tuple[Any, ...]:
        return Kind.again, (self.value, self.traits)

    def __deepcopy__(self, memo: object) -> Kind:
        return self


_MATRIX = {"bulk": True}
_KERNEL = {"bulk": True, "orientation": "inverse", "lower_tail": True}
_WEIGHT = {"bulk": True, "of_weights": True}
_TABLE: dict[str, dict[str, Any]] = {
    "weights": _WEIGHT,
    "updates": _WEIGHT,
    "ntk": _KERNEL,
    "conjugate_kernel": _KERNEL,
    "jacobian": _MATRIX,
    "inputs": _KERNEL,
    "activations": _KERNEL,
    "hessian": {},
    "ggn": {},
    "fisher": {},
    "gradient_noise": {"lower_tail": True},
    "trajectory": {"lower_tail": True},
    "gradient_norm": {"lower_tail": True},
}
_OWN: dict[str, Kind] = {}
_KNOWN: dict[str, Kind] = {}
for _value, _traits in _TABLE.items():
    _OWN[_value] = _KNOWN[_value] = Kind._made(_value, _traits)
    setattr(Kind, _value.upper(), _OWN[_value])
