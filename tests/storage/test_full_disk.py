"""A full disk or a read-only folder is one StorageError; what was written before stays readable."""

import contextlib
import errno
import resource
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from htmu_diag.errors import StorageError
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store, holds_a_run, load_run

ROOT = Path(__file__).parents[2]


@contextlib.contextmanager
def no_file_larger_than(size: int) -> Iterator[None]:
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


def large() -> Spectrum:
    return Spectrum.exact(np.arange(5000.0), Source(Kind.WEIGHTS, "fc", (5000, 5000)))


def test_a_write_that_fails_leaves_no_trace_and_a_later_one_succeeds(one: Spectrum, tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.write(1, [one])
        with no_file_larger_than(8192), pytest.raises(StorageError, match="cannot write .*File too large"):
            store.write(2, [large()])
        assert not list(tmp_path.rglob("*.writing"))
        assert load_run(tmp_path).steps == (1,)
        store.write(3, [large()])
    assert load_run(tmp_path).steps == (1, 3)


def test_a_step_that_cannot_grow_keeps_what_it_had(one: Spectrum, tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.write(1, [one])
        with no_file_larger_than(8192), pytest.raises(StorageError):
            store.write(1, [large()])
    assert [s.source.name for s in load_run(tmp_path).spectra(1)] == ["fc1.weight"]


def test_a_half_written_log_line_is_cut_off_again(tmp_path: Path) -> None:
    with Store(tmp_path, fsync=False) as store:
        store.log(1, {"loss": 1.0})
        size = next(tmp_path.rglob("scalars.jsonl")).stat().st_size
        with no_file_larger_than(size + 10), pytest.raises(StorageError):
            store.log(2, {"loss": 2.0})
        store.log(3, {"loss": 3.0})
    assert load_run(tmp_path).scalars() == {"loss": [(1, 1.0), (3, 3.0)]}


def test_a_file_in_place_of_the_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "taken").write_text("x")
    with pytest.raises(StorageError, match="cannot create .*taken.*choose another folder"):
        Store(tmp_path / "taken")
    with pytest.raises(StorageError, match="cannot create .*run"):
        Store(tmp_path / "taken" / "run")


def test_a_folder_without_permission_is_refused(tmp_path: Path) -> None:
    folder = tmp_path / "closed"
    folder.mkdir(mode=0o500)
    try:
        (folder / "probe").touch()
    except PermissionError:
        with pytest.raises(StorageError, match="cannot write into .*Permission denied"):
            Store(folder)
    else:
        pytest.skip("this user may write anywhere; the read-only mount below tests it")


MOUNTED = """
import sys, numpy as np, subprocess
from pathlib import Path
from htmu_diag.errors import StorageError
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store, holds_a_run, load_run
root = Path(sys.argv[1])
spectrum = Spectrum.exact(np.arange(4000.0), Source(Kind.WEIGHTS, "fc", (4000, 4000)))
store, written = Store(root / "run"), 0
try:
    while True:
        store.write(written, [spectrum])
        written += 1
except StorageError as error:
    print("full:", error)
assert load_run(root / "run").steps == tuple(range(written)) and written >= 1
(root / "ballast").unlink()
store.write(written, [spectrum])
assert len(load_run(root / "run").steps) == written + 1
store.close()
subprocess.run(["mount", "-o", "remount,ro", str(root)], check=True)
assert len(load_run(root / "run").steps) == written + 1
try:
    Store(root / "run", start_step=1)
except StorageError as error:
    print("read-only:", error)
assert len(load_run(root / "run").steps) == written + 1
"""


def test_a_full_and_then_read_only_disk_is_said_in_one_sentence(tmp_path: Path) -> None:
    """On a real file system of 256 KB, mounted in a name space of its own."""
    unshare = ["unshare", "--map-root-user", "--mount"]
    mount = f'mount -t tmpfs -o size=256k tmpfs "{tmp_path}"'
    try:
        subprocess.run([*unshare, "sh", "-c", mount], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("mounting in a name space of one's own is not allowed here")
    script = (
        f'{mount} && head -c 65536 /dev/zero > "{tmp_path}/ballast" && exec "{sys.executable}" -c "$0" "{tmp_path}"'
    )
    done = subprocess.run([*unshare, "sh", "-c", script, MOUNTED], cwd=ROOT, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    full, read_only = done.stdout.splitlines()
    assert "No space left on device; free some space" in full
    assert "Read-only file system" in read_only


def test_a_folder_that_went_stale_ends_nothing_at_the_end(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def stale(path: Path) -> None:
        raise OSError(errno.ESTALE, "Stale file handle", str(path))

    store = Store(tmp_path / "run")
    with monkeypatch.context() as patched, pytest.warns(RuntimeWarning, match="Stale file handle"):
        patched.setattr(Path, "iterdir", stale)
        store.close()
    Store(tmp_path / "run").close()  # given free


def test_a_place_that_cannot_be_looked_into_holds_no_run(tmp_path: Path) -> None:
    assert not holds_a_run(tmp_path / ("x" * 300))
