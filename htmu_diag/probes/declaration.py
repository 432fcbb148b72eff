"""What a probe says about itself, read once when a run begins. Nothing is guessed from the names of its methods.

    class Mine:
        name = "mine"                               # its key in probes=[...] and every={...}
        needs = frozenset({"model"})                # of model, batch, loss_fn, optimizer
        kinds = (Kind("mine", lower_tail=True),)    # of the spectra that it yields
        quantities = (Quantity(...),)               # numbers that it brings and no table knows yet
        runs = "first"

``runs`` is one of

    "first"      on rank 0 alone (the default)
    "shared"     each rank does its share, ``context.share``: ``capture`` copies, what it yields is computed later
    "together"   on all ranks, adding up over ``context.group``; all of them get the result

``measure`` finds no gradients: ``.grad`` of every parameter is put aside until it is done. ``observes = True``:
``observe(context)`` is called after every step, with that step's gradients. ``rows``: how many samples of the fixed
batch it looks at, which are then stored with the run. ``closes = True``: ``close()`` is called when the run ends.
``priced = True``: ``price(context)`` estimates, within the time of a few products, how many seconds one run will take;
it is asked once, before the first run.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Literal, get_args

from htmu_diag.errors import InputError
from htmu_diag.kinds import Kind
from htmu_diag.plugins import takes
from htmu_diag.probes.base import Need

__all__ = ["Declaration", "Runs"]

Runs = Literal["first", "shared", "together"]
_ROWS = "a whole number of samples, 0 for none"


@dataclass(frozen=True)
class Declaration:
    """The declared fields of a probe, checked; see the module."""

    name: str
    needs: frozenset[Need]
    runs: Runs = "first"
    observes: bool = False
    kinds: tuple[Kind, ...] = ()
    rows: int = 0
    quantities: tuple[Any, ...] = ()
    closes: bool = False
    priced: bool = False

    @classmethod
    def of(cls, probe: Any) -> Declaration:
        """What this probe declares. Raises InputError where a field means nothing, or a method has no field."""
        if isinstance(probe, type):
            raise InputError(f"the probe {probe.__name__} is a class; pass an object of it: {probe.__name__}(...)")
        name = getattr(probe, "name", None)
        if not isinstance(name, str) or not name:
            raise InputError(f"{type(probe).__name__} is no probe: it has no name; see htmu_diag.probes.Declaration")
        found = cls(
            name,
            frozenset(_field(probe, name, "needs", (), _is_collection, f"a set of {', '.join(get_args(Need))}")),
            _field(probe, name, "runs", "first", lambda v: v in get_args(Runs), " or ".join(get_args(Runs))),
            _flag(probe, name, "observes"),
            tuple(_field(probe, name, "kinds", (), _is_collection, "a tuple of Kind")),
            _field(probe, name, "rows", 0, lambda v: isinstance(v, int) and v >= 0, _ROWS),
            tuple(_field(probe, name, "quantities", (), _is_collection, "a tuple of Quantity")),
            _flag(probe, name, "closes"),
            _flag(probe, name, "priced"),
        )
        found._check(probe)
        return found

    def _check(self, probe: Any) -> None:
        unknown = sorted(map(str, self.needs - set(get_args(Need))))
        if unknown:
            raise InputError(f"the probe {self.name!r} needs {unknown}; there are {', '.join(get_args(Need))}")
        if not all(isinstance(kind, Kind) for kind in self.kinds):
            raise InputError(f"the probe {self.name!r}: kinds={self.kinds!r}; pass a tuple of htmu_diag.Kind")
        wanted = {
            "measure": True,
            "capture": self.runs == "shared",
            "observe": self.observes,
            "close": self.closes,
            "price": self.priced,
        }
        for method in [method for method, is_wanted in wanted.items() if is_wanted]:
            context = () if method == "close" else (None,)
            if not takes(getattr(probe, method, None), *context):
                call = f"{method}({'context' if context else ''})"
                raise InputError(f"the probe {self.name!r} has no method {call}, which it declares")
        for method, field, value in (("capture", "runs", "'shared'"), ("observe", "observes", "True")):
            if callable(getattr(probe, method, None)) and not hasattr(probe, field):
                raise InputError(f"the probe {self.name!r} has a method {method}: declare {field} = {value}, or not so")


def _field(probe: Any, name: str, field: str, default: Any, holds: Any, rule: str) -> Any:
    value = getattr(probe, field, default)
    if not holds(value):
        raise InputError(f"the probe {name!r}: its field {field} is {value!r}; it must be {rule}")
    return value


def _flag(probe: Any, name: str, field: str) -> bool:
    found: bool = _field(probe, name, field, False, lambda value: isinstance(value, bool), "True or False")
    return found


def _is_collection(value: Any) -> bool:
    return isinstance(value, (tuple, list, set, frozenset))
