"""Parameters that come and go while a model is watched, and averages of its weights."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.optim.swa_utils import AveragedModel, get_ema_multi_avg_fn

import htmu_diag
from htmu_diag.analysis import Options
from htmu_diag.recording import prices
from htmu_diag.storage import Run, load_run
from tests.monitor.helpers import Task

Change = Callable[[Task], None]
FAST = Options(bootstrap=0)
PROBES = ["weights", "trajectory", "ntk", "hessian_layers", "conjugate_kernel", "gradient_noise"]


class Adapted(torch.nn.Module):
    """A frozen layer with a product of two thin matrices beside it."""

    def __init__(self, base: torch.nn.Linear, rank: int = 3) -> None:
        super().__init__()
        self.base = base.requires_grad_(False)
        self.down = torch.nn.Parameter(torch.randn(rank, base.in_features))
        self.up = torch.nn.Parameter(torch.zeros(base.out_features, rank))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.base(inputs) + inputs @ self.down.T @ self.up.T


def held(task: Task, *parameters: torch.Tensor) -> None:
    task.optimizer.add_param_group({"params": [*parameters]})


def a_wider_head(task: Task) -> None:
    task.model[2] = torch.nn.Linear(24, 10)
    task.targets = torch.randn(64, 10)
    held(task, *task.model[2].parameters())


def a_wider_head_and_a_new_optimizer(task: Task) -> None:
    old = task.optimizer
    a_wider_head(task)
    task.optimizer = torch.optim.SGD(task.model.parameters(), lr=0.05)
    task.optimizer.old = old  # type: ignore[attr-defined]  # still alive


def an_unfrozen_layer(task: Task) -> None:
    held(task, *task.model[0].requires_grad_(True).parameters())


def an_adapter(task: Task) -> None:
    task.model[2] = Adapted(task.model[2])
    held(task, task.model[2].down, task.model[2].up)


def trained(change: Change, folder: Path | None) -> dict[str, Any]:
    """Three steps, a change, five more; everything that is left behind."""
    task = Task()
    if change is an_unfrozen_layer:
        task.model[0].requires_grad_(False)
        task.optimizer = torch.optim.SGD(task.model[2].parameters(), lr=0.05)
    batch, loss_fn = (task.inputs[:8], task.targets[:8]), torch.nn.functional.mse_loss
    choices = {"every": 2, "probes": PROBES, "batch": batch, "loss_fn": loss_fn, "options": FAST}
    if "head" in change.__name__:
        choices["probes"] = ["weights", "trajectory", "ntk", "conjugate_kernel"]  # the batch has the old targets
    monitor = htmu_diag.watch(task.model, task.optimizer, log_dir=folder, **choices) if folder else None
    task.train(3)
    change(task)
    task.train(5)
    if monitor:
        monitor.close()
    return {"model": task.model.state_dict(), "optimizer": task.optimizer.state_dict(), "rng": torch.get_rng_state()}


def shapes(run: Run, step: int) -> dict[str, tuple[int, ...]]:
    return {s.source.name: s.source.shape for s in run.spectra(step) if s.source.kind == "weights"}


FIRST, SECOND = {"0.weight": (24, 16)}, {"2.weight": (8, 24)}
CHANGES: dict[Change, tuple[dict[str, tuple[int, int]], str]] = {
    a_wider_head: (FIRST | {"2.weight": (10, 24)}, "2.weight, 2.bias replaced"),
    a_wider_head_and_a_new_optimizer: (FIRST | {"2.weight": (10, 24)}, "2.weight, 2.bias replaced"),
    an_unfrozen_layer: (FIRST | SECOND, "0.weight, 0.bias added"),
    an_adapter: (
        FIRST | {"2.down": (3, 24), "2.up": (8, 3), "2.base.weight": (8, 24)},
        "2.down, 2.up added, 2.weight, 2.bias gone",
    ),
}


@pytest.mark.parametrize("change", CHANGES)
def test_what_is_measured_follows_a_changed_model(
    change: Change, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prices, "MUCH", float("inf"))  # on a busy machine a kernel seems dear, and comes a step later
    torch.testing.assert_close(trained(change, tmp_path), trained(change, None), rtol=0, atol=0)
    run, (after, told) = load_run(tmp_path), CHANGES[change]
    steps = (0, 2, 6, 8) if change is a_wider_head_and_a_new_optimizer else (0, 2, 4, 6, 8)
    assert run.steps == steps  # the second step in a row of a new optimizer says that it replaces the old one
    assert shapes(run, 0) == FIRST | SECOND
    assert shapes(run, 2) == (SECOND if change is an_unfrozen_layer else FIRST | SECOND)  # frozen: measured once
    if change is an_adapter:
        assert shapes(run, 4) == after
        after = {name: shape for name, shape in after.items() if name != "2.base.weight"}
    assert shapes(run, 6) == shapes(run, 8) == after
    begun = 5 if change is a_wider_head_and_a_new_optimizer else 4
    told = f"trajectory: parameters changed at step {begun}: {told}; the path begins anew"
    assert run.events() == [(next(step for step in steps if step >= begun), told)]
    assert run.series("model", "trajectory")[-1].values.size == 8 - begun
    curves = EventAccumulator(str(tmp_path)).Reload()
    for name in FIRST | SECOND | after:
        seen = [step for step in steps if name in (after if step > 3 else FIRST | SECOND)]
        if change is an_unfrozen_layer and name == "0.weight":
            seen.remove(2)
        assert [event.step for event in curves.Scalars(f"weights_stable_rank/{name}")] == seen


class Averaging(torch.nn.Module):
    """A network that holds an average of its weights."""

    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net
        self.average = AveragedModel(net, multi_avg_fn=get_ema_multi_avg_fn(0.5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.net(inputs)


def choices(task: Task) -> dict[str, Any]:
    batch = (task.inputs[:8], task.targets[:8])
    return {"every": 2, "probes": PROBES, "batch": batch, "loss_fn": torch.nn.functional.mse_loss, "options": FAST}


def test_an_average_inside_the_model_has_one_name_in_all_probes(task: Task, tmp_path: Path) -> None:
    model = Averaging(task.model)
    with htmu_diag.watch(model, task.optimizer, log_dir=tmp_path, **choices(task)):
        for _ in range(4):
            task.train(1)
            model.average.update_parameters(model.net)
    run = load_run(tmp_path)
    names = ("net.0.weight", "net.2.weight", "average.0.weight", "average.2.weight")
    assert run.names("weights") == names
    assert run.names("trajectory") == ("model", *names)
    assert set(names) < set(run.names("hessian"))
    assert run.steps == (0, 2, 4)


@pytest.mark.parametrize("by_hand", [False, True])
def test_an_average_beside_the_training_is_measured_by_hand(task: Task, tmp_path: Path, by_hand: bool) -> None:
    average = copy.deepcopy(task.model) if by_hand else AveragedModel(task.model)
    with htmu_diag.watch(average, log_dir=tmp_path, **choices(task)) as monitor:
        for _ in range(4):
            task.train(1)
            for ours, theirs in zip(average.parameters(), task.model.parameters(), strict=True):
                ours.data.lerp_(theirs.detach(), 0.5)
            monitor.step()
    run = load_run(tmp_path)
    assert run.steps == (0, 2, 4)
    assert not run.events()
    assert run.names("weights") == ("0.weight", "2.weight")
    assert run.names("trajectory") == ("model", "0.weight", "2.weight")
    assert run.names("conjugate_kernel") == ("0", "1", "2")
    twice, (first, *_, last) = run.series("model", "trajectory")[-1], run.series("0.weight")
    assert twice.values.size == 4
    assert abs(last.values / first.values - 1).max() > 1e-6
    weights = next(p for name, p in average.named_parameters() if name.endswith("0.weight")).detach().double()
    assert float((weights @ weights.T).trace()) == pytest.approx(24 * last.values.sum())


def test_one_glob_chooses_the_same_layer_for_every_probe(task: Task, tmp_path: Path) -> None:
    htmu_diag.watch(Averaging(task.model), log_dir=tmp_path, include=["net.0"], **choices(task)).close()
    run = load_run(tmp_path)
    assert run.names("weights") == ("net.0.weight",)
    assert run.names("hessian") == ("net.0.weight", "net.0.bias")
    assert [s.source.shape[1] for s in run.series("model", "ntk")] == [16 * 24 + 24]
    assert not run.events()
