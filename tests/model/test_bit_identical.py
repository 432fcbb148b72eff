"""Training with and without a monitor, all probes on, is the same to the last bit."""

import contextlib
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

import htmu_diag
from htmu_diag.analysis import Options
from htmu_diag.monitor import measuring
from htmu_diag.probes import StepContext, left_as_found, registry
from htmu_diag.spectrum import Spectrum

STEPS = 6  # measured at 0 and 4, and two more steps to differ in
Optimizers = Callable[[torch.nn.Module], torch.optim.Optimizer]


def mlp() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.ReLU(inplace=True), torch.nn.Linear(16, 3))


def with_dropout() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.Dropout(0.3), torch.nn.Tanh(), torch.nn.Linear(16, 3))


def with_batch_norm() -> torch.nn.Module:
    image = (torch.nn.Unflatten(1, (1, 3, 4)), torch.nn.Conv2d(1, 5, 3, padding=1), torch.nn.BatchNorm2d(5))
    return torch.nn.Sequential(*image, torch.nn.ReLU(), torch.nn.Flatten(), torch.nn.Linear(60, 3))


def sgd(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.SGD(model.parameters(), lr=0.05, momentum=0.9)


def adamw(model: torch.nn.Module) -> torch.optim.Optimizer:
    return torch.optim.AdamW(model.parameters(), lr=1e-2)


@dataclass(frozen=True)
class Recipe:
    model: Callable[[], torch.nn.Module] = mlp
    optimizer: Optimizers = sgd
    accumulate: int = 1
    autocast: bool = False
    compiled: bool = False
    generator: bool = False
    workers: int = 0


RECIPES = {
    "sgd": Recipe(),
    "adamw": Recipe(optimizer=adamw),
    "dropout": Recipe(with_dropout, adamw),
    "batch norm": Recipe(with_batch_norm),
    "autocast bf16": Recipe(with_dropout, autocast=True),
    "accumulation": Recipe(with_batch_norm, adamw, accumulate=3),
    "compiled": Recipe(with_dropout, compiled=True),
    "loader with a generator": Recipe(with_dropout, generator=True),
    "loader with workers": Recipe(with_dropout, generator=True, workers=2),
}


@dataclass
class Outcome:
    """Everything that a training leaves behind."""

    losses: list[float] = field(default_factory=list)
    order: list[float] = field(default_factory=list)
    state: dict[str, Any] = field(default_factory=dict)


def trained(recipe: Recipe, watching: Callable[..., Any]) -> Outcome:
    torch.manual_seed(3)
    random.seed(3)
    np.random.seed(3)  # noqa: NPY002
    torch._dynamo.reset()
    data = TensorDataset(torch.randn(48, 12), torch.randint(3, (48,)))
    model, outcome = recipe.model(), Outcome()
    run = torch.compile(model, backend="aot_eager") if recipe.compiled else model
    optimizer = recipe.optimizer(model)
    batches = iter(endless(loader(data, recipe)))
    with watching(run, optimizer, data.tensors):
        for _ in range(STEPS):
            optimizer.zero_grad()
            for _ in range(recipe.accumulate):
                inputs, targets = next(batches)
                with torch.autocast("cpu", dtype=torch.bfloat16, enabled=recipe.autocast):
                    loss = torch.nn.functional.cross_entropy(run(inputs), targets)
                loss.backward()
                outcome.losses.append(loss.item())
                outcome.order.append(float(inputs[0, 0]))
            optimizer.step()
    outcome.state = {
        "model": model.state_dict(),
        "gradients": [parameter.grad for parameter in model.parameters()],
        "modes": [module.training for module in model.modules()],
        "optimizer": optimizer.state_dict(),
        "torch": torch.get_rng_state(),
        "numpy": torch.from_numpy(np.random.get_state()[1].astype(np.int64)),  # type: ignore[union-attr, index] # noqa: NPY002
        "python": hash(random.getstate()),
    }
    return outcome


def loader(data: TensorDataset, recipe: Recipe) -> DataLoader[Any]:
    generator = torch.Generator().manual_seed(4) if recipe.generator else None
    if not recipe.workers:
        return DataLoader(data, batch_size=8, shuffle=True, generator=generator)
    torch.multiprocessing.set_sharing_strategy("file_system")  # some containers pass no open files between processes
    return DataLoader(data, batch_size=24, shuffle=True, generator=generator, num_workers=recipe.workers, timeout=100)


def endless(loader: DataLoader[Any]) -> Iterator[Any]:
    while True:
        yield from loader


def unwatched(*_: object) -> contextlib.AbstractContextManager[None]:
    return contextlib.nullcontext()


class CarelessProbe:
    """Draws random numbers, trains BatchNorm, accumulates gradients, freezes the model and leaves it in eval mode."""

    name = "careless"
    needs = frozenset({"batch", "loss_fn"})

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        inputs, targets = context.batch or (None, None)
        context.model.train()
        context.loss_fn(context.model(inputs + torch.randn_like(inputs)), targets).backward()  # type: ignore[misc, operator]
        context.model.requires_grad_(False).eval()
        np.random.rand()  # noqa: NPY002
        random.random()
        yield from ()


def watched(folder: Path, *probes: object) -> Callable[..., Any]:
    def watching(model: torch.nn.Module, optimizer: torch.optim.Optimizer, data: tuple[Any, ...]) -> Any:
        return htmu_diag.watch(
            model,
            optimizer,
            log_dir=folder,
            every=4,
            probes=probes,  # type: ignore[arg-type]
            batch=(data[0][:10], data[1][:10]),
            loss_fn=torch.nn.functional.cross_entropy,
            options=Options(bootstrap=2),
        )

    return watching


@pytest.fixture(autouse=True)
def no_price_is_high(monkeypatch: pytest.MonkeyPatch) -> None:
    """On a busy machine a first run may be reckoned at seconds, and would be put off to a later step."""
    monkeypatch.setattr("htmu_diag.recording.prices.MUCH", float("inf"))


def assert_same(one: Outcome, other: Outcome) -> None:
    assert one.losses == other.losses
    assert one.order == other.order
    torch.testing.assert_close(one.state, other.state, rtol=0, atol=0)


@pytest.mark.filterwarnings("ignore:htmu_diag")  # a probe that cannot measure one of these models says so
@pytest.mark.parametrize("name", RECIPES)
def test_training_is_bit_identical_with_all_probes_on(name: str, tmp_path: Path) -> None:
    watching = watched(tmp_path, *sorted(registry), CarelessProbe())
    assert_same(trained(RECIPES[name], unwatched), trained(RECIPES[name], watching))
    assert htmu_diag.load_run(tmp_path).steps == (0, 4)


class DrawingProbe(CarelessProbe):
    """Only draws random numbers."""

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        torch.rand(3)
        yield from ()


def test_the_comparison_sees_a_probe_that_disturbs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (measuring, sys.modules[left_as_found.__module__]):
        monkeypatch.setattr(module, "quiet", lambda model, loss_fn: contextlib.nullcontext())
    recipe = RECIPES["dropout"]
    one, other = trained(recipe, unwatched), trained(recipe, watched(tmp_path, DrawingProbe()))
    with pytest.raises(AssertionError):
        assert_same(one, other)


@pytest.mark.filterwarnings("ignore:htmu_diag")
def test_watching_a_compiled_model_compiles_nothing(tmp_path: Path) -> None:
    def frames(watching: Callable[..., Any]) -> dict[str, int]:
        torch._dynamo.utils.counters.clear()
        trained(RECIPES["compiled"], watching)
        return dict(torch._dynamo.utils.counters["frames"])

    assert frames(watched(tmp_path, *sorted(registry), CarelessProbe())) == frames(unwatched)
