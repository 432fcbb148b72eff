"""What a resumed run keeps of the step at which it starts.

A checkpoint at step s holds the state after s steps, so everything logged at s belongs to the past that is kept; but
the mark at the start of a new event file drops steps >= s, and a measurement due at s is made again. So the numbers of
step s are read from the earlier files and written once more, except those that the resumed run itself gives for s. An
attempt that resumed at s too and was killed before it had written anything took nothing of s away.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog

from htmu_diag.sinks.events import PREFIX

__all__ = ["scalars_at"]


def scalars_at(folder: Path, step: int) -> dict[str, float]:
    """The scalars of one step by tag, as the event files of a folder show them now; empty without files."""
    found: dict[str, float] = {}
    for path in sorted(folder.glob(f"{PREFIX}*")):
        for event in _events(path):
            if event.session_log.status == SessionLog.START and event.step < step:
                found = {}
            elif event.step == step:
                found |= {v.tag: v.simple_value for v in event.summary.value if v.HasField("simple_value")}
    return found


def _events(path: Path) -> Iterator[Event]:
    """The complete events of a file: each is 8 bytes of length, 4 of checksum, the event, 4 of checksum."""
    with open(path, "rb") as file:
        while len(head := file.read(12)) == 12:
            length = int.from_bytes(head[:8], "little")
            data = file.read(length + 4)
            if len(data) < length + 4:
                return
            yield Event.FromString(data[:length])
