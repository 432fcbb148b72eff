"""What a recorder says of steps and numbers that are not in the tables."""

from __future__ import annotations

from collections.abc import Sequence

from htmu_diag.storage import Store

__all__ = ["put_off", "undeclared"]


def put_off(steps: Sequence[int], store: Store | None) -> str:
    """Of steps whose spectra nobody has diagnosed yet."""
    which = f"step {steps[0]}" if len(steps) == 1 else f"{len(steps)} steps ({steps[0]} to {steps[-1]})"
    if store is None:
        return f"{which} could be neither stored nor diagnosed before the end; free the disk, or measure less often"
    look = f"htmu show {store.directory} --step {steps[-1]}"
    later = f"{look} or htmu_diag.load_run diagnoses them when you look"
    return f"{which}: the spectra are stored and not diagnosed yet, for which there was no time at the end; {later}"


def undeclared(probe: str, name: str) -> str:
    """Of a number that a probe brings."""
    brought = f"the probe {probe!r} brings the number {name!r}, which no table knows"
    return f"{brought}: add its Quantity to the probe's quantities"
