"""The records of a run folder: where each step's lies, and which can be read."""

from __future__ import annotations

from pathlib import Path

from htmu_diag.errors import StorageError
from htmu_diag.nearest import near_steps
from htmu_diag.storage.header import DamagedRecord, Header
from htmu_diag.storage.record import decode_header
from htmu_diag.storage.segments import Segment, Slot, find_record, segments, visible_records
from htmu_diag.warned import warn

__all__ = ["Records"]

_KEPT = 4096  # headers at hand
Stamp = tuple[int, int]  # modification time in ns, size: a record that was added to has another stamp


class Records:
    """Looks at the folder anew at each call. attempt: of that number alone.

    dropped: records that are damaged, with the reason.
    """

    def __init__(self, directory: Path, attempt: int | None = None) -> None:
        self.directory, self._attempt = directory, attempt
        self.dropped: dict[Path, str] = {}
        self._headers: dict[Slot, tuple[Stamp, Header]] = {}

    def attempts(self) -> list[Segment]:
        """What is read, oldest first."""
        found = segments(self.directory)
        return found if self._attempt is None else [segment for segment in found if segment.number == self._attempt]

    def find(self, step: int | None) -> tuple[Slot, Header]:
        """The record of a step (None: the last readable one), without a look at all the others. Raises StorageError."""
        attempts = self.attempts()
        visible = visible_records(attempts) if step is None else {}
        one = None if step is None else find_record(attempts, step)
        damaged: list[Slot] = []
        for slot in reversed(visible.values()) if step is None else [one] if one else []:
            try:
                return slot, self._header(slot)
            except DamagedRecord as damage:
                self.drop(slot, damage)
                damaged.append(slot)
        found = visible or visible_records(attempts)
        paths = {at: slot for at, slot in found.items() if slot not in damaged}
        known = near_steps(paths, step)
        wanted = "can be read" if step is None else f"of step {step}"
        raise StorageError(f"{self.directory}: no record {wanted}; recorded steps: {known}")

    def steps(self) -> tuple[int, ...]:
        """Steps whose record can be read."""
        return tuple(step for step, slot in visible_records(self.attempts()).items() if self._is_readable(slot))

    def readable(self) -> dict[int, tuple[Slot, Header]]:
        """step -> place and header, ascending; damaged records are dropped."""
        found: dict[int, tuple[Slot, Header]] = {}
        for step, slot in visible_records(self.attempts()).items():
            try:
                found[step] = slot, self._header(slot)
            except DamagedRecord as damage:
                self.drop(slot, damage)
        return found

    def _is_readable(self, slot: Slot) -> bool:
        """A packed record was whole when it was packed: it is read when it is asked for."""
        if slot.packed:
            return True
        try:
            self._header(slot)
        except DamagedRecord as damage:
            self.drop(slot, damage)
            return False
        return True

    def _header(self, slot: Slot) -> Header:
        stamp = _stamp(slot)
        known = self._headers.get(slot)
        if known is None or known[0] != stamp:
            if len(self._headers) >= _KEPT:
                self._headers.clear()
            known = self._headers[slot] = stamp, decode_header(slot)
        return known[1]

    def drop(self, slot: Slot, damage: DamagedRecord) -> None:
        """Leave a record out, and say so once."""
        where = Path(str(slot))
        if where not in self.dropped:
            self.dropped[where] = str(damage)
            warn(f"dropped a damaged record: {damage}")


def _stamp(slot: Slot) -> Stamp:
    """A record that was added to has another; one that was packed meanwhile has none."""
    if slot.packed:
        return 0, 0
    try:
        status = slot.path.stat()
    except OSError:
        return 0, -1
    return status.st_mtime_ns, status.st_size
