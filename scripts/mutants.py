"""Change one thing in the package at a time, run the tests that hold it, and say which changes no test has noticed.

    python -m scripts.mutants --count 300 --seed 0 --tree /tmp/mutants      # again: goes on where it was ended
    python -m scripts.mutants --count 300 --seed 0 --tree /tmp/mutants --again      # survivors, against today's tests

Mutations are cosmic-ray's (MIT); the sample is drawn evenly over all places of the rooms below, and is the same for the
same seed and tree. The tree is a copy of the repository, made once; what came out of each mutant is a line of
mutants.jsonl in it. docs/mutants.md says how to read what survives.
"""

from __future__ import annotations

import argparse
import json
import random
import time
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cosmic_ray.ast import get_ast_from_path
from cosmic_ray.mutating import mutate_code
from cosmic_ray.plugins import get_operator, operator_names

from scripts import mutant_tests

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


def places(tree: Path) -> list[Place]:
    """Every mutation of every room, in a fixed order."""
    operators = [name for name in sorted(operator_names()) if name.removeprefix("core/") in WANTED]
    files = [path for room in mutant_tests.ROOMS for path in sorted((tree / "htmu_diag" / room).rglob("*.py"))]
    return [place for path in files for place in _of_file(path, tree, operators)]


def _of_file(path: Path, tree: Path, operators: list[str]) -> list[Place]:
    nodes = list(_walk(get_ast_from_path(path)))
    found = []
    for name in operators:
        operator = get_operator(name)()
        spots = [span for node in nodes for span in operator.mutation_positions(node)]
        relative = path.relative_to(tree).as_posix()
        found += [Place(relative, name, index, span[0][0]) for index, span in enumerate(spots)]
    return found


def _walk(node: Any) -> Iterator[Any]:
    yield node
    for child in getattr(node, "children", ()):
        yield from _walk(child)


def outcome(place: Place, tree: Path) -> dict[str, object]:
    """What became of one mutant: killed, slow (no end in time: counts as killed), survived or none; what changed."""
    target = tree / place.file
    source = target.read_text()
    on_import = mutant_tests.runs_on_import(source, place.line)
    mutated = mutate_code(source, get_operator(place.operator)(), place.occurrence)
    if mutated is None or mutated == source:
        return {**vars(place), "outcome": "none"}
    pairs = zip(source.splitlines(), mutated.splitlines(), strict=False)
    old, new = next((pair for pair in pairs if pair[0] != pair[1]), ("", ""))
    try:
        target.write_text(mutated)
        found, by = mutant_tests.first_failure(tree, place.file, 0 if on_import else place.line)
    finally:
        target.write_text(source)
    where = "import" if on_import else "body"
    return {**vars(place), "outcome": found, "by": by, "where": where, "was": old.strip(), "changed": new.strip()}


def wanted(sample: list[Place], known: dict[Place, dict[str, Any]], again: bool) -> list[Place]:
    """What is still to be run, or the survivors."""
    survived = {place for place, row in known.items() if row["outcome"] == "survived"}
    return [place for place in sample if (place in survived if again else place not in known)]


def read(lines: Path) -> dict[Place, dict[str, Any]]:
    """The last row of every mutant that was run."""
    rows = [json.loads(line) for line in lines.read_text().splitlines()] if lines.exists() else []
    return {Place(row["file"], row["operator"], row["occurrence"], row["line"]): row for row in rows}


def rate(counts: Counter[str]) -> str:
    """The share that died, with its binomial standard error."""
    killed = counts["killed"] + counts["slow"]
    tried = killed + counts["survived"]
    share = killed / tried if tried else 0.0
    error = (share * (1 - share) / tried) ** 0.5 if tried else 0.0
    return f"{killed} of {tried} killed: {100 * share:.1f} +- {100 * error:.1f} %"


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--count", type=int, default=300)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--only", default="", help="a part of the file's path")
    parser.add_argument("--tree", type=Path, default=Path("/tmp/mutants"), help="the copy, and what was found")
    parser.add_argument("--again", action="store_true", help="run the survivors, against the tests as they are now")
    parser.add_argument("--today", action="store_true", help="bring the tests as they are now into the copy")
    parser.add_argument("--minutes", type=float, default=float("inf"), help="to begin new mutants for; then again")
    choice = parser.parse_args()
    until = time.monotonic() + 60 * choice.minutes
    tree = mutant_tests.prepared(choice.tree.resolve(), choice.again or choice.today)
    listed = [place for place in places(tree) if choice.only in place.file]
    sample = random.Random(choice.seed).sample(listed, min(choice.count, len(listed)))
    lines = tree / "mutants.jsonl"
    print(f"{len(listed)} places, {len(sample)} drawn with seed {choice.seed}", flush=True)
    for name in (*mutant_tests.ROOMS, mutant_tests.BESIDE):
        mutant_tests.room(tree, name)  # before anything is changed
    for place in wanted(sample, read(lines), choice.again):
        if time.monotonic() > until:
            break
        row = outcome(place, tree)
        with lines.open("a") as file:
            file.write(json.dumps(row) + "\n")
        print(f"{row['outcome']:9} {place.file}:{place.line} {row.get('changed', '')}", flush=True)
    rows = [row for place, row in read(lines).items() if place in sample]
    for where in ("body", "import"):
        print(f"{where}: {rate(Counter(row['outcome'] for row in rows if row.get('where') == where))}")
    print(f"all: {rate(Counter(row['outcome'] for row in rows))}")


if __name__ == "__main__":
    main()
