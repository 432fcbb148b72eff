"""A run in plain values, from its stored numbers: rows with reasons, phases through time, what changed, what is wrong.

Nothing is fitted here. Phases are letters (`ui.words`); a change counts once it was seen several times in a row, as on
the page.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from htmu_diag.analysis import Reading
from htmu_diag.analysis.hold import held as held_verdicts
from htmu_diag.errors import StorageError
from htmu_diag.storage import Run
from htmu_diag.storage.stored_record import StoredRecord
from htmu_diag.ui.words import phase_letters

__all__ = ["ABSENT", "Overview", "held", "kinds_of", "of_kind", "overview", "shortest"]

ABSENT = "."  # in a ribbon: not measured at that step
_SHARP = 0.3  # decades of kappa between two measurements that are worth a line: far above the noise of a fit


@dataclass(frozen=True)
class Overview:
    """What `htmu show` tells.

    run, step, steps: its folder, the step shown, all that were due. rows: one a spectrum at that step, as
    `Diagnosis.row`. ribbon: layer -> one letter a step, raw. changes, alarms: sentences. letters: letter -> phase.
    waiting: steps whose spectra have no numbers. lost: steps at which nothing could be measured. scalars: the newest
    numbers of the training at that step. others: kinds that the run holds beside the one shown.
    """

    run: str
    step: int
    steps: tuple[int, ...]
    rows: list[dict[str, Any]]
    ribbon: dict[str, str]
    changes: list[str]
    alarms: list[str]
    letters: Mapping[str, str]
    waiting: tuple[int, ...] = ()
    lost: tuple[int, ...] = ()
    scalars: dict[str, float] = field(default_factory=dict)
    others: tuple[str, ...] = ()

    def content(self) -> dict[str, Any]:
        """As plain values for JSON."""
        return {
            **vars(self),
            "steps": list(self.steps),
            "waiting": list(self.waiting),
            "lost": list(self.lost),
            "others": list(self.others),
            "letters": dict(self.letters),
        }


def overview(run: Run, step: int | None = None, kind: str = "weights") -> Overview:
    """A run at a step (default: the last that has numbers). Raises StorageError for a step or a kind that it lacks."""
    records = {record.step: record for record in run.records(fit=False)}
    measured = [s for s, record in records.items() if any(r.source.kind.value == kind for r in record.readings)]
    wanted = step if step is not None else measured[-1] if measured else _stored_last(run, kind)
    if wanted not in measured:
        records[wanted] = run.record(wanted)  # fitted now, or refused in a sentence
    lost = {s: said for s, record in sorted(records.items()) if (said := _unmeasured(record, kind))}
    due = sorted({wanted, *lost, *(s for s, record in records.items() if kind in kinds_of(record))})
    history = {s: of_kind(records[s].readings, kind) for s in due}
    before = max((s for s in measured if s < wanted), default=None)
    letters = phase_letters()
    return Overview(
        str(run.directory),
        wanted,
        tuple(history),
        [reading.row() for reading in history[wanted].values()],
        _ribbon(history, letters),
        [] if before is None else _changes(history[before], history[wanted], before),
        [
            *records[wanted].events,
            *_alarms(history[wanted]),
            *_lost({s: lost[s] for s in lost if s != wanted}),
            *(
                f"nothing between steps {last} and {start}: the run was continued beyond what it held"
                for last, start in run.gaps
            ),
        ],
        {letter: name for name, letter in letters.items()},
        tuple(s for s, readings in history.items() if not readings and s not in lost),
        tuple(lost),
        _newest(run, wanted),
        tuple(other for other in run.kinds if other != kind),
    )


def _stored_last(run: Run, kind: str) -> int:
    """The last step of a run without numbers: one that was killed early, or written by an earlier version."""
    if kind not in run.kinds or not run.steps:
        raise no_kind(run, kind)
    return int(run.steps[-1])


def no_kind(run: Run, kind: str) -> StorageError:
    """The error of a run without spectra of a kind: which it has, and how to ask for them."""
    known = f"{', '.join(run.kinds)}; choose one with --kind" if run.kinds else "nothing yet"
    return StorageError(f"{run.directory}: no numbers of kind {kind!r}; this run has {known}")


def kinds_of(record: StoredRecord) -> set[str]:
    """Kinds of which the step has a spectrum."""
    return {spectrum["source"]["kind"] for spectrum in record.header.spectra}


def _unmeasured(record: StoredRecord, kind: str) -> list[str]:
    """What was said where every spectrum of a kind failed: a diverged training, a checkpoint that cannot be read."""
    due = any(failed == kind for failed, _ in record.failed) or not record.header.spectra
    return list(record.events) if due and kind not in kinds_of(record) else []


def _lost(lost: Mapping[int, list[str]]) -> list[str]:
    if not lost:
        return []
    (first, last), (said, *more) = (min(lost), max(lost)), lost[max(lost)]
    which = f"step {last}" if first == last else f"{len(lost)} steps, {first} to {last},"
    return [f"{which} could not be measured: {said}{f' (and {len(more)} more)' if more else ''}"]


def of_kind(readings: Sequence[Reading], kind: str) -> dict[str, Reading]:
    """By the names of their layers."""
    return {reading.source.name: reading for reading in readings if reading.source.kind.value == kind}


def held(letters: str) -> str:
    """A ribbon as it is shown: a change counts once it was seen often enough in a row (`analysis.hold`).

    >>> held("RSR.SSRS")
    'RRR.RSSS'
    """
    shown = iter(held_verdicts([letter for letter in letters if letter != ABSENT]))
    return "".join(letter if letter == ABSENT else next(shown) for letter in letters)


def _ribbon(history: Mapping[int, Mapping[str, Reading]], letters: Mapping[str, str]) -> dict[str, str]:
    names = dict.fromkeys(name for readings in history.values() for name in readings)
    known = {
        name: "".join(
            letters.get(readings[name].verdict, ABSENT) if name in readings else ABSENT for readings in history.values()
        )
        for name in names
    }
    return {name: ribbon for name, ribbon in known.items() if set(ribbon) != {ABSENT}}


def _changes(before: Mapping[str, Reading], now: Mapping[str, Reading], step: int) -> list[str]:
    said = []
    for name, reading in now.items():
        old = before.get(name)
        if old is None:
            said.append(f"{name}: measured, as it was not before")
            continue
        if reading.verdict != old.verdict:
            said.append(f"{name}: {old.verdict} -> {reading.verdict} ({reading.reason})")
        moved = _number(reading, "log_kappa") - _number(old, "log_kappa")
        if abs(moved) >= _SHARP:
            said.append(f"{name}: kappa {'rose' if moved > 0 else 'fell'} by a factor of {10 ** abs(moved):.2g}")
    said += [f"{name}: no longer measured" for name in before if name not in now]
    return [f"since step {step}: {text}" for text in said]


def _alarms(now: Mapping[str, Reading]) -> list[str]:
    said = []
    for name, reading in now.items():
        if reading.verdict == "rank-collapse":
            said.append(f"{name}: {reading.reason}; look for dead units, or a learning rate that is too large")
        if _number(reading, "lambda_max") == 0:
            said.append(f"{name}: all its values are zero; check its initialisation")
    return said


def _newest(run: Run, step: int) -> dict[str, float]:
    until = {tag: [value for at, value in curve if at <= step] for tag, curve in run.scalars().items()}
    return {tag: values[-1] for tag, values in until.items() if values}


def _number(reading: Reading, name: str) -> float:
    return reading.numbers.get(name, math.nan)


def shortest(names: Sequence[str], room: int) -> list[str]:
    """The ends of long names, where layers differ."""
    return [name if len(name) <= room else f"...{name[3 - room :]}" for name in names]
