"""TensorBoard event files, written synchronously and without torch.

`framing` frames the records (length, CRC, data, CRC). tensorboard's `EventFileWriter` adds a queue and a thread, which
a sink does not need: the monitor calls sinks from a thread of their own. Without the queue a step is in
the file when ``add`` returns (nothing is lost by kill -9), and a full disk is an error at the step that met it, not a
traceback from a thread. A record that could not be written whole is cut off again, so that what follows stays readable.

TensorBoard reads the files of a run in the order of their names, and a name begins with the second of its creation.
Two files of one second (or of two machines whose clocks differ) would be read in the wrong order, and a resumed run
would lose to the one it supersedes; so a new file's second is always later than that of every file in the folder.
"""

from __future__ import annotations

import os
import re
import socket
import time
from pathlib import Path

from tensorboard.compat.proto.event_pb2 import Event, SessionLog
from tensorboard.compat.proto.summary_pb2 import Summary

from htmu_diag.files import append, storage_errors
from htmu_diag.sinks.framing import framed

__all__ = ["PREFIX", "EventFile"]

PREFIX = "events.out.tfevents."
_SECOND = re.compile(re.escape(PREFIX) + r"(\d+)\.")


class EventFile:
    """A new event file in a folder, with the mark that makes readers drop earlier events from start_step on.

    The mark (SessionLog START) is written with the first event: a process that is killed before it takes nothing away.
    It is written also at step 0: readers ignore the second one where the first file had none. Raises StorageError where
    the folder cannot be written.
    """

    def __init__(self, folder: Path, start_step: int) -> None:
        with storage_errors("create", folder):
            folder.mkdir(parents=True, exist_ok=True)
            self.path = folder / _next_name(folder)
        now = time.time()
        version = Event(wall_time=now, file_version="brain.Event:2")
        mark = Event(wall_time=now, step=start_step, session_log=SessionLog(status=SessionLog.START))
        self._head = framed(version.SerializeToString()) + framed(mark.SerializeToString())
        append(self.path, b"")

    def add(self, summary: Summary, step: int, wall_time: float) -> None:
        """Append one event. Raises StorageError; the file then ends where it ended before."""
        if summary.value:
            event = framed(Event(wall_time=wall_time, step=step, summary=summary).SerializeToString())
            append(self.path, self._head + event, create=False)
            self._head = b""


def _next_name(folder: Path) -> str:
    matches = (_SECOND.match(name) for name in os.listdir(folder))
    latest = max((int(match[1]) for match in matches if match), default=0)
    return f"{PREFIX}{max(int(time.time()), latest + 1):010d}.{socket.gethostname()}.{os.getpid()}"
