"""When to measure: a schedule says whether a step is due. It is a plain callable of the step, and pure.

Spectra move fast at first and slowly later, so a logarithmic schedule sees as much of the first hundred steps as of the
last hundred thousand.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Sequence, Set
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np
import numpy.typing as npt

from htmu_diag.arguments import Rule, check_fields, whole
from htmu_diag.errors import InputError

__all__ = ["Every", "Logarithmic", "Schedule", "ScheduleLike", "Steps", "due_between", "schedule"]

_LOOKED_AT = 1_000_000  # steps: more than two measurements of any schedule of ours lie apart, short of 3 million

Schedule = Callable[[int], bool]
# no Iterable[int]: a mapping is one too, and mypy takes no {"weights": 5, "ntk": "log"} where it may be either
StepList = Sequence[int] | Set[int] | npt.NDArray[np.integer[Any]]
ScheduleLike = int | Literal["log"] | StepList | Schedule


@dataclass(frozen=True)
class Every:
    """Due at 0, k, 2k, ...

    >>> [step for step in range(300) if Every(100)(step)]
    [0, 100, 200]
    """

    k: int

    def __post_init__(self) -> None:
        if not whole(1).holds(self.k):
            raise InputError(f"every={self.k}: measure every 1 step or more, or leave the probe out")

    def __call__(self, step: int) -> bool:
        return step % self.k == 0


@dataclass(frozen=True)
class Logarithmic:
    """Due at 0, 1, and once in each of ``per_decade`` equal parts of every decade (8: a ratio of 1.33).

    >>> [step for step in range(101) if Logarithmic(4)(step)]
    [0, 1, 2, 4, 6, 10, 18, 32, 57, 100]
    """

    per_decade: int = 8

    def __post_init__(self) -> None:
        if not whole(1).holds(self.per_decade):
            raise InputError(f"per_decade={self.per_decade}: pass a whole number, at least one snapshot a decade")

    def __call__(self, step: int) -> bool:
        return step <= 1 or self._part(step) > self._part(step - 1)

    def _part(self, step: int) -> int:
        return math.floor(self.per_decade * math.log10(step))


_STEPS = Rule(
    "a list of steps, whole numbers from 0 on",
    lambda value: isinstance(value, frozenset | set | list | tuple) and all(whole(0, 2**62).holds(s) for s in value),
)


@dataclass(frozen=True)
class Steps:
    """Due at the listed steps and at no other.

    >>> Steps.of([0, 10])(10)
    True
    """

    steps: frozenset[int]

    def __post_init__(self) -> None:
        check_fields(self, steps=_STEPS)

    @classmethod
    def of(cls, steps: Iterable[int]) -> Steps:
        """From any iterable of step numbers."""
        return cls(frozenset(_step(step) for step in steps))

    def __call__(self, step: int) -> bool:
        return step in self.steps


def _step(value: object) -> int:
    whole(0, 2**62)("a step", value)
    return int(value)  # type: ignore[call-overload,no-any-return]


def schedule(spec: ScheduleLike) -> Schedule:
    """The schedule that ``spec`` means: k, "log", a list of steps, or a callable of the step. Raises InputError."""
    if isinstance(spec, bool):
        raise InputError(f"every={spec}: pass a number of steps, 'log', a list of steps or a callable")
    if isinstance(spec, int):
        return Every(spec)
    if isinstance(spec, str):
        if spec != "log":
            raise InputError(f"every={spec!r}: the only schedule with a name is 'log'; or pass a number of steps")
        return Logarithmic()
    if callable(spec):
        return spec
    if isinstance(spec, Iterable):
        return Steps.of(spec)
    raise InputError(f"every={spec!r}: pass a number of steps, 'log', a list of steps or a callable")


def due_between(schedules: Iterable[Schedule], before: int, after: int) -> bool:
    """Whether one of them is due strictly between two steps. A schedule of the user's is not asked: it may count.

    >>> due_between([Every(100)], 100, 200), due_between([Every(100)], 100, 201)
    (False, True)
    """
    return any(_due_between(schedule, before, after) for schedule in schedules)


def _due_between(schedule: Schedule, before: int, after: int) -> bool:
    if isinstance(schedule, Every):
        return (before // schedule.k + 1) * schedule.k < after
    if isinstance(schedule, Steps):
        return any(before < step < after for step in schedule.steps)
    if isinstance(schedule, Logarithmic):
        return any(map(schedule, range(before + 1, min(after, before + _LOOKED_AT))))
    return True
