"""Numbers and words of the package for fixed inputs, as they were last looked at: `python -m tests.golden.numbers`.

That the formulas are right is shown elsewhere, by identities and closed forms; these say that nothing else moved. What
is changed on purpose is written anew by that command, and the difference is read before it is committed.
"""

import dataclasses
import enum
import importlib
import inspect
import json
import math
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch

FOLDER = Path(__file__).parent
LONG = 14  # values of an array that are kept one by one; of a longer one sums that know their places
SMALLEST = 1e-12  # differences below it are rounding beside numbers of order one
RANKED = ("ranking.", "population_spread", "delta_aic", "law_ks")  # from single precision (`fits.law_heights`), which
SINGLE = 2e-3  # moves a flat maximum by so much between the instructions of one processor and another


def flat(value: Any, name: str = "") -> Iterator[tuple[str, float | str]]:
    """Every number and text of a result, under the path to it; functions, times and folders have none."""
    if isinstance(value, enum.Enum):
        value = value.value
    if value is None or isinstance(value, str | bool):
        yield name, str(value)
    elif isinstance(value, int | float | np.number):
        yield name, float(value)
    elif isinstance(value, np.ndarray | torch.Tensor):
        yield from _array(np.asarray(value, dtype=np.float64), name)
    else:
        for key, part in _parts(value):
            yield from flat(part, f"{name}.{key}" if name else key)


def _parts(value: Any) -> Iterator[tuple[str, Any]]:
    if isinstance(value, Mapping):
        yield from ((str(key), part) for key, part in value.items())
    elif isinstance(value, list | tuple | set | frozenset):
        ordered = sorted(value) if isinstance(value, set | frozenset) else value
        yield from ((str(place), part) for place, part in enumerate(ordered))
    elif dataclasses.is_dataclass(value) and not inspect.isclass(value):
        shown = (field.name for field in dataclasses.fields(value))
        yield from ((name, getattr(value, name)) for name in shown if not callable(getattr(value, name)))


def _array(values: np.ndarray[Any, Any], name: str) -> Iterator[tuple[str, float | str]]:
    yield f"{name}#", str(values.shape)
    flatter = values.ravel()
    if flatter.size <= LONG:
        yield from ((f"{name}[{place}]", float(each)) for place, each in enumerate(flatter))
        return
    places = np.arange(flatter.size)
    yield f"{name}[0]", float(flatter[0])
    yield f"{name}[-1]", float(flatter[-1])
    yield f"{name}.sum", float(flatter.sum())
    yield f"{name}.waves", float((flatter * (2 + np.cos(0.7 * places))).sum())


def rounded(found: Mapping[str, float | str]) -> dict[str, float | str | None]:
    """As JSON keeps it: twelve digits, and words for what is no number."""
    return {key: (value if isinstance(value, str) else _plain(value)) for key, value in found.items()}


def _plain(value: float) -> float | str:
    return float(f"{value:.12g}") if math.isfinite(value) else repr(value)


def differences(kept: Mapping[str, Any], found: Mapping[str, Any], relative: float) -> list[str]:
    """What is not as it was, in words."""
    names = [*kept, *(name for name in found if name not in kept)]
    told = [(name, kept.get(name), found.get(name)) for name in names]
    return [
        f"{name}: was {old!r}, is {new!r}" for name, old, new in told if not _same(old, new, _within(name, relative))
    ]


def _within(name: str, relative: float) -> float:
    return max(relative, SINGLE) if any(word in name for word in RANKED) else relative


def _same(old: Any, new: Any, relative: float) -> bool:
    if isinstance(old, float | int) and isinstance(new, float | int):
        return math.isclose(old, new, rel_tol=relative, abs_tol=SMALLEST)
    return bool(old == new)


def all_cases() -> dict[str, dict[str, Callable[[], Any]]]:
    wings = ("analysis_wing", "measurement_wing", "edges", "names_wing", "files_wing", "folders_wing", "storage_wing")
    more = ("records_wing", "solved_wing", "probed_wing", "paths_wing")
    found: dict[str, dict[str, Callable[[], Any]]] = {}
    for wing in (*wings, *more):
        found |= importlib.import_module(f"tests.golden.{wing}").CASES
    return found


def kept(room: str) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = json.loads((FOLDER / f"{room}.json").read_text())
    return found


def found(case: Callable[[], Any]) -> dict[str, float | str | None]:
    return rounded(dict(flat(case())))


def main() -> None:
    for room, cases in all_cases().items():
        if sys.argv[1:] and room not in sys.argv[1:]:
            continue
        rows = {name: found(case) for name, case in cases.items()}
        lines = (f" {json.dumps(name)}: {json.dumps(row)}" for name, row in rows.items())
        (FOLDER / f"{room}.json").write_text("{\n" + ",\n".join(lines) + "\n}\n")
        print(room, sum(len(row) for row in rows.values()), "numbers")


if __name__ == "__main__":
    main()
