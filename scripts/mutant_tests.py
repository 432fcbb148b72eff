"""The tests that a changed line has to pass, in a process forked from one that has the libraries but not the package.

One run of each room without any change, under coverage.py (Apache-2.0), says which tests reach which line of any room,
how long each takes, and which fail anyway: those are left out, so that no mutant is killed by them. The run is kept in
the tree with the text of each test file: only files that changed since are run anew. A mutant meets the tests and
doctests of its own room that reach its line; what survives meets those of all other rooms that reach it, the quick ones
first, for a minute at most, and the tests that look at every room from outside. A line that runs on import (a default,
a constant) belongs to whoever happened to import it: it is held against every test that reaches its file.
"""

from __future__ import annotations

import ast
import hashlib
import json
import os
import resource
import shutil
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from itertools import accumulate
from pathlib import Path
from typing import Any

import coverage
import pytest

ROOT = Path(__file__).resolve().parents[1]
LIBRARIES = (
    "torch",
    "scipy.stats",
    "scipy.optimize",
    "scipy.integrate",
    "safetensors.torch",
    "hypothesis",
    "rich.table",
)
OPTIONS = ("-q", "-p", "no:cacheprovider", "-m", "not slow")
MEMORY = 10 << 30
PATIENCE = 4.0  # of wall for each second of CPU: the machine has other work
ROOM_SECONDS = 1800
ROOMS = ("laws", "fits", "theory", "analysis", "solvers", "storage", "matrices", "operators", "probes", "sinks")
OUTSIDE = ("test_arguments.py", "architecture/test_frozen.py", "architecture/test_signatures.py")  # look at all rooms
DRIVEN = ("monitor", "recording", "counting", "model", "offline", "report", "cli", "golden")
DRIVERS = (*DRIVEN, "test_kinds.py", "test_series.py")
INTERFACE = "golden/test_numbers.py::test_numbers_and_words_are_as_they_were[interface"  # runs no line of a room
BESIDE = "beside"  # the run of both
BESIDE_SECONDS = 60.0


@dataclass(frozen=True)
class Room:
    """What one unchanged run of a room's tests showed."""

    seconds: dict[str, float]  # of each test that passes
    reached: dict[str, dict[str, list[str]]]  # file -> line ("0": any) -> tests
    texts: dict[str, str]  # test file -> digest of what it was

    def tests(self, file: str, line: int) -> list[str]:
        """Those that reach the line (0: the file), the quick ones first."""
        names = self.reached.get(file, {}).get(str(line), [])
        return sorted(set(names) & set(self.seconds), key=self.seconds.__getitem__)

    def stale(self, texts: dict[str, str]) -> list[str]:
        """The test files that are new, or not what they were."""
        return [file for file, digest in texts.items() if self.texts.get(file) != digest]

    def with_run(self, new: Room) -> Room:
        """This one, with the files of a newer run as that one saw them."""
        old = {test: spent for test, spent in self.seconds.items() if test.partition("::")[0] not in new.texts}
        reached = {file: {line: [*tests] for line, tests in lines.items()} for file, lines in self.reached.items()}
        for file, lines in new.reached.items():
            for line, tests in lines.items():
                reached.setdefault(file, {}).setdefault(line, []).extend(tests)
        return Room({**old, **new.seconds}, reached, {**self.texts, **new.texts})


class Watcher:
    """A pytest plugin: what failed, how long each test took, and whose lines coverage counts."""

    def __init__(self, cover: coverage.Coverage | None) -> None:
        self.cover, self.failed = cover, list[str]()
        self.seconds: dict[str, float] = {}

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        if self.cover:
            self.cover.switch_context(nodeid)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.seconds[report.nodeid] = self.seconds.get(report.nodeid, 0.0) + report.duration
        if report.failed:
            self.failed.append(report.nodeid)


def prepared(tree: Path, today: bool) -> Path:
    """The copy to change, made where it is missing; `today` brings today's tests into it."""
    ignored = shutil.ignore_patterns(".*", "runs", "data", "*.pyc", "__pycache__")
    if not tree.exists():
        shutil.copytree(ROOT, tree, ignore=ignored)
    elif today:
        shutil.rmtree(tree / "tests")
        shutil.copytree(ROOT / "tests", tree / "tests", ignore=ignored)
    os.environ.update(PYTHONPATH=str(tree), OMP_NUM_THREADS="1", PYTHONDONTWRITEBYTECODE="1")
    os.chdir(tree)
    sys.path.insert(0, str(tree))
    for name in LIBRARIES:
        import_module(name)
    return tree


@cache
def room(tree: Path, name: str) -> Room:
    """The unchanged run of a room's tests, or of those beside the rooms, made once and kept in the tree."""
    kept = tree / f"room-{name}.json"
    known = Room(**json.loads(kept.read_text())) if kept.exists() else Room({}, {}, {})
    texts = {path.relative_to(tree).as_posix(): _digest(path) for path in _test_files(tree, name)}
    if stale := known.stale(texts):
        piece = tree / f"room-{name}.new"
        code = _forked(lambda: _unchanged(tree, stale, piece), ROOM_SECONDS)
        if not piece.exists():
            raise SystemExit(f"tests/{name}: the run without a change ended with {code}; see what it says by hand")
        known = known.with_run(Room(**json.loads(piece.read_text()), texts={file: texts[file] for file in stale}))
        kept.write_text(json.dumps(vars(known)))
        piece.unlink()
    return known


def _test_files(tree: Path, name: str) -> list[Path]:
    if name == BESIDE:
        parts = [tree / "tests" / part for part in (*OUTSIDE, *DRIVERS)]
        return [file for part in parts for file in (sorted(part.rglob("test_*.py")) if part.is_dir() else [part])]
    documented = [path for path in sorted((tree / "htmu_diag" / name).rglob("*.py")) if ">>> " in path.read_text()]
    return [*sorted((tree / "tests" / name).rglob("test_*.py")), *documented]


def _digest(path: Path) -> str:
    return hashlib.sha256(path.read_bytes()).hexdigest()[:16]


def _unchanged(tree: Path, files: list[str], kept: Path) -> int:
    sources = [f"{tree / 'htmu_diag' / each}/*" for each in ROOMS]
    cover = coverage.Coverage(data_file=None, include=sources, config_file=False)
    watcher = Watcher(cover)
    cover.start()
    pytest.main([*OPTIONS, *files], plugins=[watcher])
    cover.stop()
    passed = {test: spent for test, spent in watcher.seconds.items() if test not in watcher.failed}
    reached = {
        Path(path).relative_to(tree).as_posix(): _lines(cover, path) for path in cover.get_data().measured_files()
    }
    kept.write_text(json.dumps({"seconds": passed, "reached": reached}))
    return 0


def _lines(cover: coverage.Coverage, path: str) -> dict[str, list[str]]:
    by_line = cover.get_data().contexts_by_lineno(path)
    lines = {str(line): [test for test in tests if test] for line, tests in by_line.items()}
    return {**lines, "0": sorted({test for tests in lines.values() for test in tests})}


def runs_on_import(source: str, line: int) -> bool:
    """Whether a line is in no body of a function: a constant, a default, a field, an annotation.

    >>> [runs_on_import("LIMIT = 3\\ndef f(x=1):\\n    return x\\n", line) for line in (1, 2, 3)]
    [True, True, False]
    """
    functions = [node for node in ast.walk(ast.parse(source)) if isinstance(node, ast.FunctionDef)]
    return not any(node.body[0].lineno <= line <= (node.end_lineno or 0) for node in functions)


def first_failure(tree: Path, file: str, line: int) -> tuple[str, str]:
    """killed, slow (far longer than without the change) or survived; and by which tests, in words.

    line: 0 where every test that reaches the file, or whose module names it, is to be asked.
    """
    own = Path(file).parts[1]
    within = room(tree, own)
    reach = within.tests(file, line) or within.tests(file, 0)
    if not line:
        reach += [test for test in within.seconds if Path(file).stem in _text(tree / test.partition("::")[0])]
    found, many = _against(reach, within.seconds)
    if found != "survived":
        return found, f"{many} tests of its room"
    seconds = {
        test: spent for name in (*ROOMS, BESIDE) if name != own for test, spent in room(tree, name).seconds.items()
    }
    others = [test for name in (*ROOMS, BESIDE) if name != own for test in room(tree, name).tests(file, line)]
    outside = [test for test in seconds if test.removeprefix("tests/").startswith((*OUTSIDE, INTERFACE))]
    found, beside = _against([*outside, *_first(sorted(others, key=seconds.__getitem__), seconds)], seconds)
    return found, f"{many} tests of its room, {beside} beside"


@cache
def _text(path: Path) -> str:
    return path.read_text()


def _first(tests: list[str], seconds: dict[str, float]) -> list[str]:
    """As many as fit into the time."""
    spent = accumulate(seconds[test] for test in tests)
    return [test for test, until in zip(tests, spent, strict=True) if until <= BESIDE_SECONDS]


def _against(tests: list[str], seconds: dict[str, float]) -> tuple[str, int]:
    if not tests:
        return "survived", 0
    tests = list(dict.fromkeys(tests))
    limit = 20.0 + 3 * sum(seconds[test] for test in tests)
    code = _forked(lambda: int(pytest.main([*OPTIONS, "-x", *tests])), limit)
    if code in {-signal.SIGKILL, -signal.SIGXCPU}:
        return "slow", len(tests)
    return ("survived" if code == 0 else "killed"), len(tests)


def _forked(work: Callable[[], int], seconds: float) -> int:
    """The exit status of a function in a process and group of its own; the negative signal where one ended it."""
    pid = os.fork()
    if pid == 0:
        _run(work, seconds)
    until = time.monotonic() + PATIENCE * seconds
    try:
        while not (ended := os.waitpid(pid, os.WNOHANG))[0]:
            if time.monotonic() > until:
                os.killpg(pid, signal.SIGKILL)
            time.sleep(0.05)
    except KeyboardInterrupt:
        os.killpg(pid, signal.SIGKILL)
        raise
    return os.waitstatus_to_exitcode(ended[1])


def _run(work: Callable[[], int], seconds: float) -> Any:
    os.setsid()
    nothing = os.open(os.devnull, os.O_RDWR)
    for descriptor in (0, 1, 2):
        os.dup2(nothing, descriptor)
    limit = int(seconds) + 1
    resource.setrlimit(resource.RLIMIT_CPU, (limit, limit + 5))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY, MEMORY))
    code = 70
    try:
        code = work()
    finally:
        os._exit(code)
