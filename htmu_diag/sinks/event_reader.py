"""Reading our own event files without TensorBoard: the frames, and nothing else of a log directory."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event

from htmu_diag.plain_files import open_plain
from htmu_diag.sinks.framing import masked

__all__ = ["events_of"]

LARGEST_EVENT = 2**31  # bytes: a message of protobuf has no more


def events_of(path: Path) -> Iterator[Event]:
    """The complete events of a file: each is 8 bytes of length, 4 of checksum, the event, 4 of checksum.

    They end where a checksum differs. Raises InputError for what is no regular file, OSError as `open`.
    """
    with open_plain(path) as file:
        while len(head := file.read(12)) == 12:
            length = int.from_bytes(head[:8], "little")
            if masked(head[:8]) != head[8:] or length > LARGEST_EVENT:
                return
            data = file.read(length + 4)
            if len(data) < length + 4 or masked(data[:-4]) != data[-4:]:
                return
            yield Event.FromString(data[:length])
