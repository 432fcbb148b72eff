"""The line with which a monitor begins: what is measured and when, what is left out and why, where to look."""

from __future__ import annotations

import shlex
from collections.abc import Mapping, Sequence
from pathlib import Path

from htmu_diag.errors import HTMUError
from htmu_diag.probes import Every, Logarithmic, Probe, Schedule, StepContext, Steps, WeightsProbe
from htmu_diag.recording.place import Place
from htmu_diag.skipped import Skipped

__all__ = ["Entries", "nearby", "opening"]

Entries = Sequence[tuple[Probe, Schedule]]  # what is measured, and when
_REASONS = 3  # of tensors that are left out; more are in `htmu_diag.matrices`


def opening(
    context: StepContext,
    entries: Entries,
    place: Place,
    prices: Mapping[str, str] | None = None,
    *,
    stored: bool = True,
    curves: bool = True,
) -> str:
    """One sentence of plain words. prices: what is to be said of dear probes, by their names. stored: whether anything
    can be written. curves: whether TensorBoard gets any."""
    where = _where(place, stored, curves)
    measured, left_out = [], ""
    for probe, schedule in entries:
        what = probe.name
        if isinstance(probe, WeightsProbe):
            what, left_out = _weights(probe, context)
        price = (prices or {}).get(probe.name)
        measured.append(f"{what} {_when(schedule)}" + (f" ({price})" if price else ""))
    if not measured:
        return f"nothing is measured: no probes were asked for{where}"
    return f"measuring {', '.join(measured)}{left_out}{where}"


def _weights(probe: Probe, context: StepContext) -> tuple[str, str]:
    """How many matrices there are, and what is none; silent where they cannot be listed, which the snapshot says."""
    assert isinstance(probe, WeightsProbe)
    try:
        inventory = probe.inventory(context)
    except HTMUError:
        return probe.name, ""
    one = f"1 matrix ({inventory.names[0]})" if len(inventory) == 1 else f"{len(inventory)} matrices"
    left_out = _left_out(inventory.skipped)
    return f"{probe.name} of {one}", f"; left out: {left_out}" if left_out else ""


def _left_out(skipped: Sequence[Skipped]) -> str:
    """ "wte.weight (tied to lm_head.weight), 12 tensors (a buffer, which is not trained)"."""
    names: dict[str, list[str]] = {}
    for one in skipped:
        if len(one.shape) < 2:
            continue  # a bias or a scale is no matrix to anybody
        names.setdefault(one.reason, []).append(one.name)
    said = [f"{found[0] if len(found) == 1 else f'{len(found)} tensors'} ({reason})" for reason, found in names.items()]
    more = [f"{len(said) - _REASONS} more kinds"] if len(said) > _REASONS else []
    return ", ".join([*said[:_REASONS], *more])


def _when(schedule: Schedule) -> str:
    if isinstance(schedule, Every):
        return "every step" if schedule.k == 1 else f"every {schedule.k:,} steps"
    if isinstance(schedule, Logarithmic):
        return "at steps on a logarithmic scale"
    if isinstance(schedule, Steps):
        return f"at {len(schedule.steps)} chosen steps"
    return "at steps of your own schedule"


def _where(place: Place, stored: bool, curves: bool) -> str:
    if not stored:
        return f"; nothing is stored, since {place.folder} cannot be written"
    command = "tensorboard --logdir" if curves else "htmu show"
    return f"; {_fate(place)}; look: {command} {shlex.quote(nearby(place.folder))}"


def nearby(folder: Path) -> str:
    """The path as one types it: from the current folder on, where it lies in there."""
    here = Path.cwd()
    return str(folder.relative_to(here)) if here in folder.parents else str(folder)


def _fate(place: Place) -> str:
    """What becomes of the folder, and of what lay there."""
    folder = nearby(place.folder)
    if place.holds_a_run and place.start_step:
        return f"the run in {folder} goes on after step {place.start_step}; what it logged later is superseded"
    if place.holds_a_run:
        return f"the run that was in {folder} is superseded: kept on disk, no longer shown"
    return f"into {folder}"
