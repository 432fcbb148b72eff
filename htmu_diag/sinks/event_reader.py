"""Reading our own event files without TensorBoard: the frames, and nothing else of a log directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event

__all__ = ["events_of"]


def events_of(path: Path) -> Iterator[Event]:
    """The complete events of a file: each is 8 bytes of length, 4 of checksum, the event, 4 of checksum."""
    with open(path, "rb") as file:
        while len(head := file.read(12)) == 12:
            length = int.from_bytes(head[:8], "little")
            data = file.read(length + 4)
            if len(data) < length + 4:
                return
            yield Event.FromString(data[:length])
