"""Python processes that need not import torch first: forked from one that has imported it and done nothing since.

One such process for each list of imports serves all workers of a run of pytest (`shared`).
They are ordinary processes otherwise: their program is at the top level of ``__main__``, descriptors and handlers of
signals are as in a fresh interpreter, and they end as an interpreter ends, so that ``atexit`` runs.
"""

from __future__ import annotations

import fcntl
import gc
import hashlib
import json
import os
import runpy
import select
import signal
import socket
import subprocess
import sys
import tempfile
import threading
import weakref
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from functools import cache
from importlib import import_module
from pathlib import Path
from types import ModuleType

ROOT = Path(__file__).parents[1]
TORCH = ("torch", "torch._dynamo")
WATCHING = (*TORCH, "htmu_diag.monitor", "htmu_diag.probes", "htmu_diag.sinks", "tests.fitted")
REQUEST = 1 << 20
FOLDER = "PROCESSES_TO_FORK_FROM"  # in the environment: where they listen


class Process:
    """``python *arguments``: ``-c CODE ...``, ``-m MODULE ...`` or ``FILE ...``, its output read from `stdout`."""

    def __init__(
        self,
        *arguments: str,
        imported: Sequence[str] = WATCHING,
        cwd: Path = ROOT,
        env: Mapping[str, str] | None = None,
    ) -> None:
        request = {"arguments": arguments, "cwd": str(cwd), "env": dict(os.environ if env is None else env)}
        read, write = os.pipe()
        self.returncode: int | None = None
        self.stdout = os.fdopen(read)
        self._errors = tempfile.TemporaryFile()  # noqa: SIM115  (open until they are asked for)
        for file in (self.stdout, self._errors):
            weakref.finalize(self, file.close)
        line = socket.socket(socket.AF_UNIX)
        line.connect(_server(tuple(imported)))
        socket.send_fds(line, [json.dumps(request).encode()], [write, self._errors.fileno()])
        os.close(write)
        self._answers = line.makefile()
        line.close()  # once the answers are
        self.pid = int(self._answers.readline())

    def wait(self) -> int:
        if self.returncode is None:
            self.returncode = os.waitstatus_to_exitcode(int(self._answers.readline()))
            self._answers.close()
        return self.returncode

    def send_signal(self, number: int) -> None:
        if self.returncode is None:
            os.kill(self.pid, number)

    def kill(self) -> None:
        self.send_signal(signal.SIGKILL)

    def communicate(self, timeout: float = 200.0) -> tuple[str, str]:
        """What is left of the output, and all errors; what has not ended in time is killed."""
        limit = threading.Timer(timeout, self.kill)
        limit.start()
        out = "" if self.stdout.closed else self.stdout.read()
        self.wait()
        limit.cancel()
        self.stdout.close()
        self._errors.seek(0)
        return out, self._errors.read().decode()


def run(
    *arguments: str, imported: Sequence[str] = WATCHING, cwd: Path = ROOT, env: Mapping[str, str] | None = None
) -> subprocess.CompletedProcess[str]:
    process = Process(*arguments, imported=imported, cwd=cwd, env=env)
    out, errors = process.communicate()
    return subprocess.CompletedProcess(list(arguments), process.wait(), out, errors)


@contextmanager
def shared() -> Iterator[None]:
    """The processes to fork from that are started within, also by children of this process, end with it.

    They read a pipe that this process alone writes to, so that they end as well when it is killed.
    """
    if FOLDER in os.environ:
        yield
        return
    with tempfile.TemporaryDirectory(prefix="warm-") as folder:
        end = os.path.join(folder, "end")
        os.mkfifo(end)
        pipe = os.open(end, os.O_RDWR)
        os.environ[FOLDER] = folder
        yield
        del os.environ[FOLDER]
        os.close(pipe)


@cache
def _server(imported: tuple[str, ...]) -> str:
    """The address of the process to fork from; the first that asks starts it, others wait until it is ready."""
    known = hashlib.sha256(repr((sys.executable, ROOT, imported)).encode()).hexdigest()[:16]
    address = os.path.join(os.environ[FOLDER], known)
    with open(f"{address}.lock", "w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not os.path.exists(address):
            _start(address, imported)
    return address


def _start(address: str, imported: Sequence[str]) -> None:
    command = [sys.executable, "-m", "tests.warm", address, *imported]
    server = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, cwd=ROOT)
    assert server.stdout is not None
    with server.stdout as told:
        if told.readline() != b"ready\n":
            raise RuntimeError(f"no process with {', '.join(imported)} could be started")
    server.returncode = 0  # nobody waits for it: it ends when `shared` does


def _serve(address: str, imported: Sequence[str]) -> list[str]:
    """Fork for every connection; returns in the forked processes only, with what they are to run."""
    end = os.open(os.path.join(os.path.dirname(address), "end"), os.O_RDONLY | os.O_NONBLOCK)
    for name in imported:
        import_module(name)
    gc.freeze()  # what is shared stays shared
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(address)
        listener.listen()
        os.write(1, b"ready\n")
        while True:
            ready, _, _ = select.select([end, listener], [], [])
            if end in ready:
                raise SystemExit
            line = listener.accept()[0]
            if os.fork() == 0:
                listener.close()
                os.close(end)
                return _keep(line)
            line.close()
            os.waitpid(-1, os.WNOHANG)


def _keep(line: socket.socket) -> list[str]:
    """The parent of one program, which says its number and how it ended; returns in the program itself."""
    request, descriptors, _, _ = socket.recv_fds(line, REQUEST, 2)
    pid = os.fork()
    if pid:
        line.sendall(b"%d\n" % pid)
        for descriptor in descriptors:
            os.close(descriptor)
        line.sendall(b"%d\n" % os.waitpid(pid, 0)[1])
        os._exit(0)
    line.close()
    nothing = os.open(os.devnull, os.O_RDONLY)
    for target, descriptor in enumerate((nothing, *descriptors)):
        os.dup2(descriptor, target)
        os.close(descriptor)
    asked = json.loads(request)
    os.environ.clear()
    os.environ.update(asked["env"])
    os.chdir(asked["cwd"])
    arguments: list[str] = asked["arguments"]
    return arguments


def _become(first: str, *rest: str) -> None:
    """Run a program as ``__main__``, as the interpreter does with these arguments."""
    sys.argv = [first, *rest]
    if first == "-m":
        sys.argv = [*rest]
        runpy.run_module(rest[0], run_name="__main__", alter_sys=True)
    elif first == "-c":
        sys.argv = [first, *rest[1:]]
        main = sys.modules["__main__"] = ModuleType("__main__")
        exec(compile(rest[0], "<string>", "exec"), vars(main))
    else:
        runpy.run_path(first, run_name="__main__")


if __name__ == "__main__":
    _become(*_serve(sys.argv[1], sys.argv[2:]))
