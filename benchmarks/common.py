"""What every benchmark shares: CPU time of a call, medians, and a section of RESULTS.md with date and machine."""

from __future__ import annotations

import datetime
import json
import os
import platform
import re
import resource
import statistics
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

RESULTS = Path(__file__).parent / "RESULTS.md"


def cpu_seconds(call: Callable[[], object], repeats: int = 5) -> float:
    """Median CPU seconds of one call (all threads of this process), after one call that is not counted."""
    call()
    spent = []
    for _ in range(repeats):
        start = time.process_time()
        call()
        spent.append(time.process_time() - start)
    return statistics.median(spent)


def generator(*key: object) -> np.random.Generator:
    """A generator of the key's own: a row that is drawn again is the same, whatever is drawn before it."""
    return np.random.default_rng(zlib.crc32(repr(key).encode()))


def peak_rss_mb() -> float:
    """Largest resident set of this process so far, in MB."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def in_child(module: str, *arguments: object) -> dict[str, Any]:
    """What ``python -m module child ...`` prints as JSON in its last line: a measurement in a process of its own."""
    command = [sys.executable, "-m", module, "child", *map(str, arguments)]
    lines = subprocess.run(command, check=True, capture_output=True, text=True).stdout.splitlines()
    found: dict[str, Any] = json.loads(lines[-1])
    return found


def machine() -> str:
    """The machine in words: processor, cores, Python."""
    return f"{platform.system()} {platform.machine()}, {os.cpu_count()} cores, Python {platform.python_version()}"


def table(columns: Sequence[str], rows: Sequence[Sequence[object]]) -> str:
    """A Markdown table; floats with four significant digits."""
    lines = [columns, ["---"] * len(columns), *rows]
    return "\n".join("| " + " | ".join(_cell(value) for value in line) + " |" for line in lines)


def record(section: str, columns: Sequence[str], rows: Sequence[Sequence[object]], note: str = "") -> None:
    """Print a table and write it as the section of that name into RESULTS.md, in place of an older one."""
    stamp = f"{datetime.date.today().isoformat()}, {machine()}."
    body = f"## {section}\n\n{stamp} {note}".rstrip() + f"\n\n{table(columns, rows)}\n"
    print(body)
    old = RESULTS.read_text() if RESULTS.exists() else "# Measured results\n"
    there = re.compile(rf"^## {re.escape(section)}\n.*?(?=\n## |\Z)", flags=re.DOTALL | re.MULTILINE)
    new = there.sub(lambda _: body, old) if there.search(old) else f"{old.rstrip()}\n\n{body}"
    RESULTS.write_text(new)


def _cell(value: object) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
