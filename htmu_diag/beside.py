"""A process beside this one for work that would take Python's lock from it: without torch, of lower priority.

It is given the package from where this process has it, and nothing from the current folder, which may be anybody's. It
ends with this process, and takes no interrupt, which is for the training.
"""

from __future__ import annotations

import contextlib
import json
import math
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

from htmu_diag.errors import MeasurementError

__all__ = ["Beside", "answers_to"]

ANSWERS_WITHIN = 60.0  # seconds; what is asked for at once takes some tenths of a second of CPU
STARTS_AFTER = 1.0  # seconds of a run: a start takes half a second of a core, which a shorter run does not earn
ENDS_WITHIN = 15.0  # seconds, once the monitor is being closed
ORPHANED_EVERY = 5.0  # seconds between looks for the parent
ONE_CHANGE = 0.11  # seconds; whose priority Linux changes, it changes once in 100 ms where that is not root
_LOOKS_EVERY = 0.2  # seconds between looks for an answer that is late
# The priority comes first: imports take half a second of a core, which a training may want.
_CODE = """
import importlib.util, json, os, sys
root, sys.path[:] = json.loads(sys.argv[1])
if hasattr(os, "nice"):
    os.nice(int(sys.argv[4]))
found = importlib.util.spec_from_file_location("htmu_diag", root + "/__init__.py", submodule_search_locations=[root])
package = sys.modules["htmu_diag"] = importlib.util.module_from_spec(found)
found.loader.exec_module(package)
importlib.import_module(sys.argv[3]).serve(int(sys.argv[2]))
"""


class Beside:
    """One process, for those who ask it and do the work themselves where there is none.

    module: whose ``serve`` it runs. priority: what is added to its niceness, 0 to 19. does, done: its work in words.
    on_end: told why the process ended, if it did; at most once, for no other is started. Not for use from several
    threads at once.
    """

    def __init__(
        self, module: str, priority: int, does: str, done: str, on_end: Callable[[MeasurementError], object]
    ) -> None:
        self._module, self._priority, self._on_end = module, priority, on_end
        self._does, self._done = does, done
        self._process: subprocess.Popen[bytes] | None = None
        self._failed = self._hurried = self._awaited = False
        self._limit = ANSWERS_WITHIN
        self._until = math.inf  # when it has to have answered
        self._lock = threading.RLock()  # of what `awaited` and `hurry` change
        self._earliest = -math.inf  # when it may start
        self._begin = threading.Event()  # or at once

    def put_off(self, seconds: float) -> None:
        """No start for so long, while nobody waits for one: whoever wants the process sleeps instead."""
        self._earliest = time.monotonic() + seconds

    def begin(self) -> None:
        """From any thread: a start that was put off is waited for."""
        self._begin.set()

    def awaited(self, yes: bool) -> None:
        """From any thread: whether somebody stands still for its answers, which is no time to be modest."""
        self.begin()
        with self._lock:
            self._awaited = yes
            self._settle()

    def hurry(self) -> None:
        """From any thread: the end is waited for, so a process that does not answer now is ended soon, and none is
        started: its start would take longer than what is left."""
        with self._lock:
            self._hurried, self._limit = True, ENDS_WITHIN
            self.awaited(True)
            if self._until < math.inf:
                self._until = time.monotonic() + ENDS_WITHIN

    def close(self) -> None:
        """End the process; harmless when called twice."""
        process, self._process = self._process, None
        if process is not None:
            _ended(process)

    def _start(self) -> None:
        self._begin.wait(max(self._earliest - time.monotonic(), 0.0))
        if self._hurried:
            return
        try:
            process = self._process = _started(self._module, self._priority)
        except OSError as error:
            self._give_up(error)
            return
        # one thread for all answers: to start one for each waits for Python's lock twice
        threading.Thread(target=self._watch, args=(process,), name="htmu-diag-watch", daemon=True).start()
        with self._lock:
            self._settle()

    def _settle(self) -> None:
        """Where Linux schedules by sessions (autogroup, its default), niceness counts inside a session only, and the
        session has one of its own, which may be lowered again."""
        process = self._process
        if process is None:
            return
        try:
            _between_sessions(process, 0 if self._awaited else self._priority)
        except BlockingIOError:
            _later(ONE_CHANGE, self._settle)

    def _watch(self, process: subprocess.Popen[bytes]) -> None:
        """A stopped or hanging process ends when its time is over, and whoever waits for its answer gets none."""
        while self._process is process:
            time.sleep(_LOOKS_EVERY)
            if time.monotonic() > self._until:
                process.kill()

    @contextlib.contextmanager
    def _answering(self, within: float = 0.0) -> Iterator[None]:
        """A block in which it has to answer; a process that does not is ended. within: seconds, where that is more than
        usual; once the end is waited for, no more than then."""
        with self._lock:
            self._until = time.monotonic() + (self._limit if self._hurried else max(self._limit, within))
        try:
            yield
        finally:
            with self._lock:
                self._until = math.inf

    def _give_up(self, error: BaseException) -> None:
        self.close()
        self._failed = True
        reason = f"the process that {self._does} ended, or did not answer ({type(error).__name__}: {error})"
        self._on_end(
            MeasurementError(f"{reason}; the rest is {self._done} beside the training, which slows it a little")
        )


def answers_to(parent: int) -> int:
    """For ``serve``: this process ends with its parent from now on. The descriptor that answers go to: whatever prints
    does not print into them."""
    threading.Thread(target=_end_with, args=(parent,), daemon=True).start()
    answers = os.dup(1)
    os.dup2(2, 1)
    return answers


def _started(module: str, priority: int) -> subprocess.Popen[bytes]:
    """A process that runs ``serve(this process's id)`` of a module, with pipes to and from it. Raises OSError.

    priority: what is added to its niceness, 0 to 19.
    """
    one_thread = dict.fromkeys(("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS"), "1")
    with _interrupts_blocked():
        return subprocess.Popen(
            [sys.executable, "-I", "-c", _CODE, json.dumps(_places()), str(os.getpid()), module, str(priority)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.DEVNULL,
            env={**os.environ, **one_thread},
            start_new_session=True,  # Ctrl-C is for the training
        )


def _between_sessions(process: subprocess.Popen[bytes], niceness: int) -> None:
    """The niceness of its session. Raises BlockingIOError where that was changed just now."""
    try:
        with open(f"/proc/{process.pid}/autogroup", "r+") as group:
            group.write(str(niceness))
    except BlockingIOError:
        raise
    except OSError:  # another system, or the process has ended
        pass


def _ended(process: subprocess.Popen[bytes]) -> None:
    """End it; harmless for one that has ended."""
    process.kill()  # the end of its input would not do (a forked data loader may hold the pipe open as well), nor
    process.wait()  # would a gentler signal where it is stopped; it holds nothing that could be lost
    for pipe in (process.stdin, process.stdout):
        with contextlib.suppress(OSError):  # what was not sent yet
            if pipe is not None:
                pipe.close()


def _later(seconds: float, call: Callable[[], object]) -> threading.Timer:
    """Calls it then, in a thread that holds up no end of this process."""
    timer = threading.Timer(seconds, call)
    timer.daemon = True
    timer.start()
    return timer


@contextlib.contextmanager
def _interrupts_blocked() -> Iterator[None]:
    """Of this thread, so of what it starts: Ctrl-C may come before that has a session of its own."""
    if not hasattr(signal, "pthread_sigmask"):
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


def _places() -> tuple[str, list[str]]:
    """The folder of this package, and where others are imported from, without the current folder."""
    here = os.path.realpath(os.curdir)
    others = [os.path.abspath(place) for place in sys.path if place and os.path.realpath(place) != here]
    return str(Path(__file__).resolve().parent), others


def _end_with(parent: int) -> None:
    while os.getppid() == parent:
        time.sleep(ORPHANED_EVERY)
    os._exit(0)
