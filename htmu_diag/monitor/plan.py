"""Which probes run at which step, checked once when the run begins."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace

from htmu_diag.errors import InputError
from htmu_diag.probes import Need, NTKProbe, Probe, Schedule, ScheduleLike, registry, schedule
from htmu_diag.theory.learning_numbers import learning_numbers

__all__ = ["Cadence", "Plan", "ProbeLike"]

ProbeLike = str | Probe
Cadence = ScheduleLike | Mapping[str, ScheduleLike]
DEFAULT_EVERY = 100  # steps; for probes that a mapping does not name


@dataclass(frozen=True)
class Plan:
    """Probes, each with its schedule, in the order in which they run."""

    entries: tuple[tuple[Probe, Schedule], ...]

    @classmethod
    def of(cls, probes: Iterable[ProbeLike], every: Cadence) -> Plan:
        """Probes by name or as objects; one schedule for all, or one for each by name. Raises InputError."""
        made = [_made(probe) for probe in ([probes] if isinstance(probes, str) else probes)]
        names = [probe.name for probe in made]
        if len(set(names)) < len(names):
            raise InputError(f"probes={names}: each probe once; give a second one of a kind another name")
        if not isinstance(every, Mapping):
            return cls(tuple((probe, schedule(every)) for probe in made))
        for name in every:
            if name not in names:
                raise InputError(f"every: no probe {name!r} among {names}{_hint(name, names)}")
        return cls(tuple((probe, schedule(every.get(probe.name, DEFAULT_EVERY))) for probe in made))

    @property
    def probes(self) -> tuple[Probe, ...]:
        return tuple(probe for probe, _ in self.entries)

    def due(self, step: int) -> list[Probe]:
        """The probes whose schedule says so."""
        return [probe for probe, is_due in self.entries if is_due(step)]

    def require(self, available: Iterable[Need]) -> None:
        """Raises InputError where a probe needs what was not passed."""
        for probe in self.probes:
            missing = sorted(probe.needs - set(available))
            if missing:
                raise InputError(f"the probe {probe.name!r} needs {' and '.join(missing)}: pass {_example(missing)}")


def _made(probe: ProbeLike) -> Probe:
    if isinstance(probe, NTKProbe) and probe.learning is None:
        return replace(probe, learning=learning_numbers)  # measuring and theory meet here
    if not isinstance(probe, str):
        return probe
    if probe not in registry:
        raise InputError(f"no probe {probe!r}{_hint(probe, registry)}; known: {', '.join(sorted(registry))}")
    return _made(registry[probe]())


def _hint(name: str, known: Iterable[str]) -> str:
    near = difflib.get_close_matches(name, list(known), n=1)
    return f" (did you mean {near[0]!r}?)" if near else ""


def _example(missing: list[Need]) -> str:
    words = {"batch": "batch=(inputs, targets)", "loss_fn": "loss_fn=your_loss", "optimizer": "the optimizer"}
    return ", ".join(words.get(name, name) for name in missing)
