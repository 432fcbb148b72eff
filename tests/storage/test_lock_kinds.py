"""Both locks keep the same promises: the system's ``flock``, and the library's where there is none."""

from __future__ import annotations

import subprocess
import sys
import threading
from pathlib import Path

import pytest

from htmu_diag.storage import lock as lock_module
from htmu_diag.storage.flock import Flock
from htmu_diag.storage.portable_lock import PortableLock

ROOT = Path(__file__).parents[2]
KINDS = [Flock, PortableLock]
HOLD = """
import sys, time
from pathlib import Path
from htmu_diag.storage.{module} import {name}
lock = {name}(Path(sys.argv[1]))
print(lock.acquire(shared=False, wait=False), flush=True)
time.sleep(60)
"""

Kind = type[Flock] | type[PortableLock]


@pytest.mark.parametrize("kind", KINDS)
def test_one_writer_or_many_readers(kind: Kind, tmp_path: Path) -> None:
    one, other = kind(tmp_path / ".lock"), kind(tmp_path / ".lock")
    assert one.acquire(shared=False, wait=False)
    assert not other.acquire(shared=False, wait=False)
    assert not other.acquire(shared=True, wait=False)
    assert one.acquire(shared=True, wait=True)  # from writer to reader
    assert other.acquire(shared=True, wait=False)
    assert not one.acquire(shared=False, wait=False)
    one.release()
    assert other.acquire(shared=False, wait=False)  # from the last reader to writer
    other.release()


@pytest.mark.parametrize("kind", KINDS)
def test_the_refused_reads_who_holds_it_and_any_thread_gives_it_back(kind: Kind, tmp_path: Path) -> None:
    one, other = kind(tmp_path / ".lock"), kind(tmp_path / ".lock")
    one.acquire(shared=False, wait=False)
    one.say("process 7")
    assert not other.acquire(shared=False, wait=False)
    assert other.holder() == "process 7"
    thread = threading.Thread(target=one.release)
    thread.start()
    thread.join()
    one.release()
    assert (one.held, one.holder()) == (False, "")
    assert other.acquire(shared=False, wait=False)
    other.release()


@pytest.mark.parametrize("kind", KINDS)
def test_a_link_in_its_place_is_not_followed(kind: Kind, tmp_path: Path) -> None:
    (tmp_path / "theirs").write_text("precious")
    (tmp_path / ".lock").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="link"):
        kind(tmp_path / ".lock").acquire(shared=False, wait=False)
    assert (tmp_path / "theirs").read_text() == "precious"


@pytest.mark.parametrize("kind", KINDS)
def test_it_holds_between_processes_and_ends_with_a_killed_one(kind: Kind, tmp_path: Path) -> None:
    code = HOLD.format(module=kind.__module__.rpartition(".")[2], name=kind.__name__)
    mine = kind(tmp_path / ".lock")
    command = [sys.executable, "-c", code, str(tmp_path / ".lock")]
    with subprocess.Popen(command, cwd=ROOT, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        assert process.stdout.readline() == "True\n"
        assert not mine.acquire(shared=False, wait=False)
        process.kill()
        process.wait()
    assert mine.acquire(shared=False, wait=False)
    mine.release()


def test_without_fcntl_the_portable_lock_is_taken(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(lock_module, "find_spec", lambda name: None)
    first = lock_module.FolderLock(tmp_path)
    assert isinstance(first._lock, PortableLock)
    with pytest.raises(lock_module.FolderLocked, match="another monitor or store of this same process"):
        lock_module.FolderLock(tmp_path)
    first.release()
    lock_module.FolderLock(tmp_path).release()
