"""Files that commands are asked for by name: written whole, and nothing but an earlier one of the kind is replaced."""

import json
import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from htmu_diag.analysis import Options, Reading, diagnose
from htmu_diag.cli import main
from htmu_diag.files import write_result
from htmu_diag.spectrum import Kind, Source, Spectrum
from htmu_diag.storage import Store


@pytest.fixture
def run(tmp_path: Path) -> Path:
    options = Options(bootstrap=0)
    spectrum = Spectrum.exact(np.arange(1.0, 40.0), Source(Kind.WEIGHTS, "fc", (39, 60)))
    with Store(tmp_path / "run", fsync=False) as store:
        store.write(1, [spectrum])
        store.write_numbers(1, [spectrum], [Reading.of(diagnose(spectrum, options))], options)
    return tmp_path / "run"


COMMANDS = {"export": ["--csv"], "report": []}
OTHERS: dict[str, tuple[Callable[[Path, Path], object], str]] = {
    "a link to a file of the user's": (lambda path, mine: path.symlink_to(mine), "a link, and nothing is written"),
    "a link as /dev/stdout is one": (lambda path, mine: path.symlink_to("/proc/self/fd/1"), "a link, and nothing"),
    "a FIFO": (lambda path, mine: os.mkfifo(path), "no regular file, and is not replaced"),
    "a folder": (lambda path, mine: path.mkdir(), "no regular file, and is not replaced"),
    "another file": (lambda path, mine: path.write_bytes(b"weights"), "holds something else, which is not replaced"),
}


@pytest.mark.parametrize("command", COMMANDS)
@pytest.mark.parametrize("other", OTHERS)
def test_what_is_no_earlier_result_is_not_replaced(
    other: str, command: str, run: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "mine").write_text("mine")
    make, told = OTHERS[other]
    make(tmp_path / "out", tmp_path / "mine")
    before = os.lstat(tmp_path / "out")
    assert main([command, str(run), *COMMANDS[command], "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert told in line
    after = os.lstat(tmp_path / "out")
    assert (after.st_ino, after.st_mode, after.st_mtime_ns) == (before.st_ino, before.st_mode, before.st_mtime_ns)
    assert (tmp_path / "mine").read_text() == "mine"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["mine", "out", "run"]


@pytest.mark.parametrize("command", COMMANDS)
def test_an_earlier_result_is_replaced(command: str, run: Path, tmp_path: Path) -> None:
    for _ in range(2):
        assert main([command, str(run), *COMMANDS[command], "--out", str(tmp_path / "out")]) == 0
    first = (tmp_path / "out").read_bytes()
    (tmp_path / "out").write_bytes(first[:50])  # cut short
    assert main([command, str(run), *COMMANDS[command], "--out", str(tmp_path / "out")]) == 0
    assert len((tmp_path / "out").read_bytes()) == len(first)


def test_an_empty_file_may_become_a_result(tmp_path: Path) -> None:
    (tmp_path / "x.json").touch()
    write_result(tmp_path / "x.json", b"[1]")
    assert json.loads((tmp_path / "x.json").read_text()) == [1]
