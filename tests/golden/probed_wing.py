"""What is computed for `numbers` by what probes are made of: declarations, prices, budgets, by a clock."""

import contextlib
import itertools
import math
import re
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import numpy as np
import torch

from htmu_diag import probes
from htmu_diag.matrices import Matrix
from htmu_diag.probes import registry
from htmu_diag.probes.budget import Budget
from htmu_diag.probes.by_samples import seconds_by_samples
from htmu_diag.probes.declaration import Declaration
from htmu_diag.probes.frozen import Frozen, fingerprint
from htmu_diag.probes.placement import Placement
from htmu_diag.probes.price import price_sentence
from htmu_diag.probes.starts import COORDINATES, Starts
from htmu_diag.probes.temperature import Temperature
from tests.golden.measurement_wing import dense, told, waves


def of_declarations() -> dict[str, Any]:
    """What each probe says of itself, in words and fields."""
    made = {name: registry[name]() for name in sorted(registry)}
    made |= {
        "named": probes.CurvatureProbe("fisher_mine"),
        "layers": registry["ggn_layers"]() if "ggn_layers" in registry else None,
    }
    texts = {name: re.sub(r"frozenset\(.*?\)| at 0x\w+", "", repr(probe)) for name, probe in made.items()}
    fields = {
        name: {k: str(v) for k, v in vars(Declaration.of(probe)).items() if k != "needs"}
        for name, probe in made.items()
        if probe
    }
    needs = {name: sorted(Declaration.of(probe).needs) for name, probe in made.items() if probe}
    equal = {name: bool(registry[name]() == probe) for name, probe in made.items() if name in registry}
    return {"texts": texts, "fields": fields, "needs": needs, "equal": equal}


class Clock:
    """Seconds that are told, one after the other or by the work itself."""

    def __init__(self) -> None:
        self.now = 0.0

    def __call__(self) -> float:
        return self.now


def of_budgets() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for share in (0.05, 0.5, 1.0, None):
        clock = Clock()
        budget = Budget(share, clock)
        budget.expect("dear", 30.0)
        budget.expect("dear", 99.0)
        lines: list[Any] = []
        for step in range(60):
            clock.now += 1.0
            for probe, price in (("dear", 8.0), ("cheap", 0.25), ("slow", 2.0)):
                may = budget.affords(probe, step)
                lines.append(f"{step} {probe} {may}")
                if may and probe == "slow" and step % 3:
                    budget.withdraw(probe)
                elif may and (probe != "slow" or step % 2):
                    budget.spend(probe, price)
            budget.overhead(0.01)
            lines += budget.pop_skipped("dear") if step % 25 == 24 else []
        found[str(share)] = [
            *lines,
            *(line for probe in ("dear", "cheap", "slow", "x") for line in budget.pop_skipped(probe)),
        ]
    for share in (0.0, 1.5, math.nan, True, "x"):
        found[f"refused {share}"] = told(lambda share=share: Budget(share))  # type: ignore[misc,arg-type]
    few = Budget(0.1, Clock())
    few.expect("p", 1.0)
    for count in (1, 7, 1, 1):
        _ = [few.affords("p", step) for step in range(count)]
        found[f"few {len(found)}"] = few.pop_skipped("p")
    return found


@contextlib.contextmanager
def clocked() -> Iterator[Clock]:
    clock = Clock()
    with mock.patch("time.perf_counter", clock), mock.patch("time.process_time", clock):
        yield clock


def of_placements() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for host, device in ((0.5, 0.1), (3.0, 1.0), (3.0, 5.0), (9.0, 0.0)):
        with clocked() as clock:
            place, places = Placement(), []
            for turn in range(30):
                clock.now += 2.0
                with place.choosing("a" if turn % 4 else "b") as where:
                    clock.now += host if where == "host" else device
                places.append(where)
        found[f"{host} {device}"] = " ".join(places)
    return found


def of_samples(power: float, each: float, samples: int) -> Any:
    with clocked() as clock:
        asked: list[int] = []

        def run(count: int) -> None:
            asked.append(count)
            clock.now += each * count**power

        return seconds_by_samples(run, samples), str(asked)


def of_prices() -> dict[str, Any]:
    tried = itertools.product((0.5, 1.0, 1.7, 3.0), (0.0, 1e-4, 0.01, 0.06), (1, 3, 64, 128, 1000))
    found: dict[str, Any] = {
        f"{power} {each} {samples}": of_samples(power, each, samples) for power, each, samples in tried
    }

    def matrix(rows: int, columns: int, factors: Any = None) -> Matrix:
        return Matrix("w", (rows, columns), "", "w", lambda: torch.zeros(0), factors)

    sizes = ((100, 100), (584, 585), (584, 586), (585, 585), (2000, 3000))
    for took in (0.99, 1.0, 1.0001, 123.4):
        pairs = [[matrix(3, 3), matrix(*size)] for size in sizes]
        found[f"sentence {took}"] = [price_sentence(pair, lambda _, took=took: took) for pair in pairs]  # type: ignore[misc]
    low = matrix(2000, 3000, lambda: None)
    return found | {"low rank": price_sentence([low], lambda _: 9.0), "none": price_sentence([], lambda _: 9.0)}


def of_temperatures() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for rates in ([0.1] * 4, [0.4, 0.2, 0.1, 0.0], [0.1, math.nan, 0.3, 0.3], [torch.tensor(0.5)] * 4):
        for batch, start, travelled in ((None, 0, 0.0), (8, 5, 2.0), (0, 2, math.nan)):
            optimizer = torch.optim.SGD(dense().parameters(), lr=0.1)
            temperature, rows = Temperature(optimizer, batch, start, travelled), []
            for step, rate in zip((start, start + 1, start + 4, start + 4), rates, strict=True):
                optimizer.param_groups[0]["lr"] = rate
                rows.append(temperature.numbers(step))
            found[f"{rates} {batch}"] = rows
    return found | {"none": Temperature(None, 8, 0).numbers(3)}


def of_starts() -> dict[str, Any]:
    starts, kept = Starts(), list[Any]()
    starts.keep = lambda arrays: kept.append({name: values.shape for name, values in arrays.items()})
    sizes = {"small": (3, 4), "just": (2, COORDINATES // 2), "large": (3, COORDINATES // 2)}
    first = {name: starts.distance(name, waves(*size), 0) for name, size in sizes.items()}
    later = {name: starts.distance(name, waves(*size) * 1.5, 2) for name, size in sizes.items()}
    moved = {name: starts.distance(name, waves(*size, start=0.31), 3) for name, size in sizes.items()}
    other = starts.distance("small", waves(3, 5), 4), starts.distance("new", waves(3, 5), 4)
    again = Starts()
    again.take(starts.arrays() | {"lone": np.zeros(3)})
    starts.distance("zero", torch.zeros(2, 2), 0)
    starts.distance("complex", waves(2, 2) + 1j * waves(2, 2), 0)
    types = {str(t): Starts().distance("w", waves(3, 4).to(t), 0) for t in (torch.float16, torch.complex64)}
    resumed = (
        again.distance("large", waves(*sizes["large"]) + 1, 9),
        sorted(again.kept),
        starts.distance("zero", waves(2, 2), 3),
    )
    complexes = starts.distance("complex", waves(2, 2) + 2j * waves(2, 2), 5)
    return {"a": first, "b": later, "c": moved, "d": other, "kept": kept, "types": types, "e": (resumed, complexes)}


def of_frozen() -> dict[str, Any]:
    types = (torch.uint8, torch.float16, torch.float32, torch.float64, torch.complex64)
    tensors = {str(t): torch.arange(1, 13).reshape(3, 4).to(t) for t in types}
    tensors |= {"large": torch.arange(2**20 + 3).float(), "turned": torch.arange(12).reshape(3, 4).float().T}
    sums = {name: [str(part) for part in fingerprint(tensor).tolist()] for name, tensor in tensors.items()}
    frozen, steps = Frozen(), list[Any]()
    for step in (0, 1, 2, 2, 3, 1):
        frozen.begin(step)
        changed = tensors["torch.float32"] + (step == 3)
        steps.append(sorted(frozen.known([("a", changed), ("b", tensors["turned"])])))
    return {"sums": sums, "steps": steps}


CASES: dict[str, dict[str, Callable[[], Any]]] = {
    "probed": {
        "declarations": of_declarations,
        "budgets": of_budgets,
        "placements": of_placements,
        "prices": of_prices,
        "temperatures": of_temperatures,
        "starts": of_starts,
        "frozen": of_frozen,
    }
}
