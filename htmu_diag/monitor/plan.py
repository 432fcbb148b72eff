"""Which probes run at which step, checked once when the run begins."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any, cast

from htmu_diag import plugins
from htmu_diag.analysis.quantities import Quantity
from htmu_diag.errors import InputError
from htmu_diag.nearest import nearest
from htmu_diag.probes import Declaration, Need, NTKProbe, Probe, Schedule, ScheduleLike, registry, schedule
from htmu_diag.theory.learning_numbers import learning_numbers

__all__ = ["Cadence", "Plan", "ProbeLike"]

ProbeLike = str | Probe
Cadence = ScheduleLike | Mapping[str, ScheduleLike]
DEFAULT_EVERY = 100  # steps; for probes that a mapping does not name


@dataclass(frozen=True)
class Plan:
    """Probes, each with its schedule, in the order in which they run."""

    entries: tuple[tuple[Probe, Schedule], ...]
    declared: Mapping[str, Declaration]

    @classmethod
    def of(
        cls, probes: Iterable[ProbeLike], every: Cadence, settings: Mapping[str, Mapping[str, Any]] | None = None
    ) -> Plan:
        """Probes by name or as objects; one schedule for all, or one for each by name. Raises InputError.

        settings: of probes by name: the arguments with which they are made.
        """
        wanted = [probes] if isinstance(probes, str) else list(probes)
        _require_named(settings or {}, wanted)
        made = [_made(probe, (settings or {}).get(str(probe), {})) for probe in wanted]
        declarations = [Declaration.of(probe) for probe in made]
        names = [one.name for one in declarations]
        if len(set(names)) < len(names):
            raise InputError(f"probes={names}: each probe once; give a second one of a kind another name")
        declared = dict(zip(names, declarations, strict=True))
        if not isinstance(every, Mapping):
            return cls(tuple((probe, schedule(every)) for probe in made), declared)
        for name in every:
            if name not in names:
                raise InputError(f"every: no probe {name!r} among {names}{_hint(name, names)}")
        return cls(tuple((probe, schedule(every.get(probe.name, DEFAULT_EVERY))) for probe in made), declared)

    @property
    def probes(self) -> tuple[Probe, ...]:
        return tuple(probe for probe, _ in self.entries)

    @property
    def quantities(self) -> tuple[Quantity, ...]:
        """What the probes bring of their own."""
        return tuple(quantity for one in self.declared.values() for quantity in one.quantities)

    def due(self, step: int) -> list[Probe]:
        """The probes whose schedule says so."""
        return [probe for probe, is_due in self.entries if is_due(step)]

    @property
    def priced(self) -> frozenset[str]:
        """Names of the probes that can say what a run costs before it."""
        return frozenset(name for name, one in self.declared.items() if one.priced)

    @property
    def ends(self) -> dict[str, Callable[[], None]]:
        """What probes do when the run ends, by their names."""
        closing = [cast(Any, probe) for probe in self.probes if self.declared[probe.name].closes]
        return {probe.name: probe.close for probe in closing}

    def require(self, available: Iterable[Need]) -> None:
        """Raises InputError where a probe needs what was not passed."""
        for probe in self.declared.values():
            missing = sorted(probe.needs - set(available))
            if missing:
                raise InputError(f"the probe {probe.name!r} needs {' and '.join(missing)}: pass {_example(missing)}")


def _made(probe: ProbeLike, settings: Mapping[str, Any]) -> Probe:
    found: Probe = plugins.made("probes", probe, registry, settings=settings) if isinstance(probe, str) else probe
    if isinstance(found, NTKProbe) and found.learning is None:
        return replace(found, learning=learning_numbers)  # measuring and theory meet here
    return found


def _require_named(settings: Mapping[str, Any], probes: Sequence[ProbeLike]) -> None:
    for name in settings:
        if name not in probes:
            hint = _hint(name, map(str, probes)) or f": {', '.join(map(str, probes))}"
            raise InputError(f"settings for {name!r}, which is not among the probes that are named{hint}")


def _hint(name: str, known: Iterable[str]) -> str:
    near = nearest(name, known)
    return f" (did you mean {near!r}?)" if near else ""


def _example(missing: list[Need]) -> str:
    words = {"batch": "batch=(inputs, targets)", "loss_fn": "loss_fn=your_loss", "optimizer": "the optimizer"}
    return ", ".join(words.get(name, name) for name in missing)
