"""TensorBoard event files, written synchronously and without torch.

tensorboard's `RecordWriter` frames the records (length, CRC, data, CRC). Its `EventFileWriter` adds a queue and a
thread, which a sink does not need: the monitor calls sinks from a thread of their own. Without the queue a step is in
the file when ``add`` returns (nothing is lost by kill -9), and a full disk is an error at the step that met it, not a
traceback from a thread. A record that could not be written whole is cut off again, so that what follows stays readable.
"""

from __future__ import annotations

import itertools
import os
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.record_writer import RecordWriter

from htmu_diag.storage.atomic import storage_errors

__all__ = ["EventFile"]

_COUNT = itertools.count()


class EventFile:
    """A new event file in a folder, opened with the mark that makes readers drop earlier events from start_step on.

    The mark (SessionLog START) is written always, also at step 0: readers ignore the second one where the first file
    had none. Raises StorageError where the folder cannot be written.
    """

    def __init__(self, folder: Path, start_step: int) -> None:
        name = f"events.out.tfevents.{int(time.time()):010d}.{socket.gethostname()}.{os.getpid()}.{next(_COUNT)}"
        self.path = folder / name
        with storage_errors("create", self.path):
            folder.mkdir(parents=True, exist_ok=True)
            self._file = open(self.path, "xb", buffering=0)  # noqa: SIM115  (closed by close)
        self._records = RecordWriter(self._file)
        now = time.time()
        self._append(Event(wall_time=now, file_version="brain.Event:2"))
        start = SessionLog(status=SessionLog.START)
        self._append(Event(wall_time=now, step=start_step, session_log=start))

    def add(self, summary: Summary, step: int, wall_time: float) -> None:
        """Append one event. Raises StorageError; the file then ends where it ended before."""
        if summary.value:
            self._append(Event(wall_time=wall_time, step=step, summary=summary))

    def close(self) -> None:
        """Harmless when called twice."""
        self._file.close()

    def _append(self, event: Event) -> None:
        end = self._file.tell()
        with storage_errors("write", self.path):
            try:
                self._records.write(event.SerializeToString())
            except OSError:
                self._file.seek(end)
                self._file.truncate()
                raise
