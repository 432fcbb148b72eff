"""Change one thing in the package at a time, run the tests of its room, and say which changes no test has noticed.

    python scripts/mutants.py --count 300 --seed 0 --out mutants.jsonl

Mutations are cosmic-ray's (MIT); the sample is drawn evenly over all places of the rooms below, and is the same for the
same seed and tree. Each mutant runs in a copy of the repository, against the tests that mirror its file, or against its
room's where none does. docs/mutants.md says how to read what survives.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import tempfile
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

ROOT = Path(__file__).resolve().parents[1]
ROOMS = ("laws", "fits", "theory", "analysis", "solvers", "storage", "matrices", "operators", "probes", "sinks")
# one neighbour of each operator, so that no place counts many times
WANTED = {
    *(
        "AddNot",
        "NumberReplacer",
        "ReplaceAndWithOr",
        "ReplaceOrWithAnd",
        "ReplaceTrueWithFalse",
        "ReplaceFalseWithTrue",
    ),
    *(f"ReplaceBinaryOperator_{pair}" for pair in ("Add_Sub", "Sub_Add", "Mul_Div", "Div_Mul", "Pow_Mul")),
    *(f"ReplaceComparisonOperator_{pair}" for pair in ("Lt_LtE", "LtE_Lt", "Gt_GtE", "GtE_Gt", "Eq_NotEq", "NotEq_Eq")),
    *("ReplaceComparisonOperator_Is_IsNot", "ReplaceComparisonOperator_IsNot_Is", "ReplaceUnaryOperator_Delete_Not"),
}


@dataclass(frozen=True)
class Place:
    """One occurrence of one operator in one file, relative to the repository."""

    file: str
    operator: str
    occurrence: int
    line: int


def places() -> list[Place]:
    """Every mutation of every room, in a fixed order."""
    operators = [name for name in sorted(operator_names()) if name.removeprefix("core/") in WANTED]
    files = [path for room in ROOMS for path in sorted((ROOT / "htmu_diag" / room).rglob("*.py"))]
    return [place for path in files for place in _of_file(path, operators)]


def _of_file(path: Path, operators: list[str]) -> list[Place]:
    nodes = list(_walk(get_ast_from_path(path)))
    found = []
    for name in operators:
        operator = get_operator(name)()
        spots = [span for node in nodes for span in operator.mutation_positions(node)]
        relative = path.relative_to(ROOT).as_posix()
        found += [Place(relative, name, index, span[0][0]) for index, span in enumerate(spots)]
    return found


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for child in getattr(node, "children", ()):
        yield from _walk(child)


def tests_of(file: str) -> list[str]:
    """The tests that mirror a file, or those of its room."""
    _, room, *rest = Path(file).with_suffix("").parts
    mirror = ROOT / "tests" / room / f"test_{rest[-1]}.py"
    return [mirror.relative_to(ROOT).as_posix()] if mirror.exists() else [f"tests/{room}"]


def outcome(place: Place, copy: Path, seconds: float) -> tuple[str, str]:
    """killed, survived, slow (no end in time: counts as killed) or none, with the changed line."""
    target, source = copy / place.file, (ROOT / place.file).read_text()
    mutated = mutate_code(source, get_operator(place.operator)(), place.occurrence)
    if mutated is None or mutated == source:
        return "none", ""
    pairs = zip(source.splitlines(), mutated.splitlines(), strict=False)
    changed = next((new.strip() for old, new in pairs if old != new), "")
    target.write_text(mutated)
    command = [sys.executable, "-m", "pytest", "-x", "-q", "-p", "no:cacheprovider", "-m", "not slow"]
    environment = {**os.environ, "PYTHONPATH": str(copy), "OMP_NUM_THREADS": "1", "PYTHONDONTWRITEBYTECODE": "1"}
    try:
        run = subprocess.run(
            [*command, *tests_of(place.file)], cwd=copy, env=environment, timeout=seconds, capture_output=True
        )
    except subprocess.TimeoutExpired:
        return "slow", changed
    finally:
        target.write_text(source)
    return "survived" if run.returncode == 0 else "killed", changed


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a part of the file's path")
    parser.add_argument("--seconds", type=float, default=300.0, help="of one mutant's tests")
    parser.add_argument("--out", type=Path, default=Path("mutants.jsonl"))
    choice = parser.parse_args()
    listed = [place for place in places() if choice.only in place.file]
    sample = random.Random(choice.seed).sample(listed, min(choice.count, len(listed)))
    print(f"{len(listed)} places, {len(sample)} drawn with seed {choice.seed}")
    counts: Counter[str] = Counter()
    with tempfile.TemporaryDirectory() as folder, choice.out.open("w") as lines:
        copy = Path(folder) / "tree"
        shutil.copytree(ROOT, copy, ignore=shutil.ignore_patterns(".*", "runs", "data", "*.pyc", "__pycache__"))
        for place in sample:
            found, changed = outcome(place, copy, choice.seconds)
            counts[found] += 1
            lines.write(json.dumps({**vars(place), "outcome": found, "changed": changed}) + "\n")
            lines.flush()
            print(f"{found:9} {place.file}:{place.line} {changed}", flush=True)
    tried = counts["killed"] + counts["slow"] + counts["survived"]
    print(f"{counts['killed'] + counts['slow']} of {tried} killed")


if __name__ == "__main__":
    main()
