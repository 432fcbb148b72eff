"""One writer a folder; the lock ends with its process, however that ends."""

import os
import subprocess
import sys
from pathlib import Path

import pytest

from htmu_diag.errors import StorageError
from htmu_diag.storage import Store, load_run
from htmu_diag.storage.lock import FolderLock

ROOT = Path(__file__).parents[2]
HOLD = """
import sys, time
from pathlib import Path
from htmu_diag.storage.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
print("held", flush=True)
time.sleep(60)
"""


@pytest.fixture
def other(tmp_path: Path):
    process = subprocess.Popen([sys.executable, "-c", HOLD, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    assert process.stdout is not None
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.wait()
    process.stdout.close()


def test_a_second_process_is_refused_with_the_holder_named(other: subprocess.Popen[str], tmp_path: Path) -> None:
    with pytest.raises(StorageError, match=rf"is being written by process {other.pid} on .*; choose another log_dir"):
        Store(tmp_path)
    assert not (tmp_path / "spectra").exists()


def test_the_lock_does_not_outlive_a_crash(other: subprocess.Popen[str], tmp_path: Path) -> None:
    other.kill()
    other.wait()
    Store(tmp_path).close()
    assert load_run(tmp_path).steps == ()


def test_a_second_store_in_one_process_is_refused_until_the_first_is_closed(tmp_path: Path) -> None:
    first = Store(tmp_path)
    with pytest.raises(StorageError, match=f"process {os.getpid()}"):
        Store(tmp_path)
    first.close()
    first.close()
    Store(tmp_path).close()


def test_a_forked_child_does_not_keep_the_lock_alive(tmp_path: Path) -> None:
    script = """
import os, sys, time
from pathlib import Path
from htmu_diag.storage.lock import FolderLock
lock = FolderLock(Path(sys.argv[1]))
child = os.fork()
if child == 0:
    os.close(1)
    time.sleep(60)
    os._exit(0)
print(child, flush=True)
os.kill(os.getpid(), 9)
"""
    done = subprocess.run([sys.executable, "-c", script, str(tmp_path)], cwd=ROOT, stdout=subprocess.PIPE, text=True)
    child = int(done.stdout)
    try:
        lock = FolderLock(tmp_path)
        assert lock.held
        lock.release()
        os.kill(child, 0)  # it still lives
    finally:
        os.kill(child, 9)


def test_reading_needs_no_lock(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.write(1)
        assert load_run(tmp_path).steps == (1,)


def test_a_closed_store_writes_no_more(tmp_path: Path) -> None:
    store = Store(tmp_path)
    store.close()
    with pytest.raises(StorageError, match="this store is closed"):
        store.write(1)
    with pytest.raises(StorageError, match="this store is closed"):
        store.log(1, {"loss": 1.0})
