"""A snapshot is the whole model after the same step, however many optimizers train it, and whichever way they step."""

import copy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import htmu_diag
from htmu_diag.errors import InputError
from tests.monitor.helpers import Task

Step = Callable[[], None]
States = dict[int, dict[str, torch.Tensor]]


def sgd(parameters: Any, lr: float = 0.5) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=lr)


def in_backward(task: Task) -> Step:
    """One optimizer for each parameter, stepped while the gradients come in."""
    optimizers = {p: sgd([p]) for p in task.model.parameters()}

    def step(parameter: torch.Tensor) -> None:
        optimizers[parameter].step()
        parameter.grad = None

    for parameter in optimizers:
        parameter.register_post_accumulate_grad_hook(step)
    return task.backward


def one_after_the_other(task: Task, optimizers: list[torch.optim.Optimizer]) -> Step:
    def step() -> None:
        task.backward()
        for optimizer in optimizers:
            optimizer.step()
            optimizer.zero_grad()

    return step


def by_layer(task: Task) -> Step:
    pair: list[torch.optim.Optimizer] = [
        torch.optim.AdamW(part.parameters(), lr=0.1) for part in (task.model[2], task.model[0])
    ]

    return one_after_the_other(task, pair)


def matrices_and_rest(task: Task) -> Step:
    """As for Muon: one for the matrices, one for everything else."""
    matrices, rest = ([p for p in task.model.parameters() if (p.ndim == 2) is wanted] for wanted in (True, False))
    pair = [sgd(matrices), torch.optim.Adam(rest, lr=0.1)]

    return one_after_the_other(task, pair)


def critic_three_times(task: Task) -> Step:
    """The leader is the generator; its critic steps three times in each round."""
    generator, critic = sgd(task.model[0].parameters()), sgd(task.model[2].parameters())

    def step() -> None:
        task.backward()
        generator.step()
        for _ in range(3):
            critic.step()
        task.model.zero_grad()

    return step


LOOPS = {f.__name__: f for f in (in_backward, by_layer, matrices_and_rest, critic_three_times)}


def trained(task: Task, step: Step, steps: int) -> States:
    states = {0: copy.deepcopy(task.model.state_dict())}
    for number in range(1, steps + 1):
        step()
        states[number] = copy.deepcopy(task.model.state_dict())
    return states


def assert_whole(folder: Path, states: States, expected: set[int], but: int | None = None) -> None:
    run = htmu_diag.load_run(folder)
    assert set(run.steps) == expected
    for step in expected - {but}:
        for spectrum in run.spectra(step):
            weight = states[step][spectrum.source.name].double()
            top = torch.linalg.matrix_norm(weight, 2) ** 2 / max(weight.shape)
            assert spectrum.values[-1] == pytest.approx(float(top), rel=1e-6), (step, spectrum.source.name)


@pytest.mark.parametrize("loop", LOOPS)
@pytest.mark.parametrize("every", [1, 3])
def test_a_label_is_the_number_of_steps_of_every_part(loop: str, every: int, tmp_path: Path) -> None:
    task = Task()
    step = LOOPS[loop](task)
    with htmu_diag.watch(task.model, log_dir=tmp_path, every=every, sinks=()):
        states = trained(task, step, 7)
    assert_whole(tmp_path, states, {number for number in range(8) if number % every == 0})


@pytest.mark.parametrize("named", ["optimizer", "optimizers"])
def test_the_one_that_counts_may_be_the_last_to_step(
    named: str, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    """The others' next step belongs to the next label: known members are waited for within their own round alone."""
    task = Task()
    first, last = sgd(task.model[0].parameters()), sgd(task.model[2].parameters())
    chosen: dict[str, Any] = {"optimizer": last} if named == "optimizer" else {"optimizers": [last, first]}
    with htmu_diag.watch(task.model, **chosen, log_dir=tmp_path, every=1, sinks=()):
        states = trained(task, one_after_the_other(task, [first, last]), 4)
    assert_whole(tmp_path, states, set(range(5)))
    assert not [warning for warning in recwarn if "htmu_diag" in str(warning.message)]


def test_the_last_step_is_measured_when_the_run_ends_in_it(tmp_path: Path) -> None:
    """An optimizer of a part of the model alone: nobody knows yet whether another one follows."""
    task = Task()
    optimizer = sgd(task.model[0].parameters())
    with htmu_diag.watch(task.model, log_dir=tmp_path, every=1, sinks=()) as monitor:
        task.backward()
        optimizer.step()
        monitor.flush()
        assert htmu_diag.load_run(tmp_path).steps == (0, 1)
        optimizer.step()
    assert htmu_diag.load_run(tmp_path).steps == (0, 1, 2)


def test_named_optimizers_need_no_round_to_be_known(tmp_path: Path) -> None:
    task = Task()
    frozen_bias = task.model[0].bias
    pair = [sgd([task.model[0].weight]), sgd(task.model[2].parameters())]  # the bias is trained by nobody
    seen = []
    with htmu_diag.watch(task.model, optimizers=pair, log_dir=tmp_path, every=1, sinks=()) as monitor:
        for optimizer in pair:
            task.backward()
            optimizer.step()
            seen.append(monitor._measuring._measured_at["weights"])
    assert seen == [0, 1]
    assert frozen_bias is task.model[0].bias


def test_uneven_optimizers_are_told_once_and_nothing_is_torn(tmp_path: Path) -> None:
    task = Task()
    first, second = sgd(task.model[0].parameters()), sgd(task.model[2].parameters())
    states = {}
    with (
        pytest.warns(
            RuntimeWarning, match=r"not in equal numbers: the steps of one of them count \(the SGD of 0"
        ) as told,
        htmu_diag.watch(task.model, first, log_dir=tmp_path, every=1, sinks=()),
    ):
        states[0] = copy.deepcopy(task.model.state_dict())
        for number in range(1, 8):
            task.backward()
            first.step()
            if number % 3 != 1:
                second.step()
            states[number] = copy.deepcopy(task.model.state_dict())
    assert len(told) == 1
    torn = 2  # the first round in which the second one steps is not known before it
    assert_whole(tmp_path, states, set(states), but=torn)


class Masters:
    """float32 copies that an optimizer steps; the model holds them in bfloat16."""

    def __init__(self, task: Task, copy_back: Callable[[torch.Tensor, torch.Tensor], object]) -> None:
        task.model.bfloat16()
        self.task, self.copy_back = task, copy_back
        self.masters = [p.detach().float().clone() for p in task.model.parameters()]
        self.optimizer = torch.optim.AdamW(self.masters, lr=0.1)

    def step(self) -> None:
        for master in self.masters:
            master.grad = torch.ones_like(master)
        self.optimizer.step()
        for parameter, master in zip(self.task.model.parameters(), self.masters, strict=True):
            self.copy_back(parameter, master)


def by_data(parameter: torch.Tensor, master: torch.Tensor) -> object:
    return parameter.data.copy_(master)


def in_place(parameter: torch.Tensor, master: torch.Tensor) -> object:
    with torch.no_grad():
        return parameter.copy_(master)


@pytest.mark.parametrize("copy_back", [by_data, in_place])
def test_an_optimizer_of_copies_is_told_and_counted_by_hand(copy_back: Any, tmp_path: Path) -> None:
    task = Task()
    masters = Masters(task, copy_back)
    with pytest.raises(InputError, match=r"call monitor\.step\(\) after each step"):
        htmu_diag.watch(task.model, masters.optimizer, log_dir=tmp_path / "refused")
    with pytest.warns(RuntimeWarning, match=r"no optimizer step was counted.*monitor\.step\(\)"):
        with htmu_diag.watch(task.model, log_dir=tmp_path / "empty", every=1, sinks=()):
            masters.step()
    assert any("no optimizer step was counted" in said for _, said in htmu_diag.load_run(tmp_path / "empty").events())
    with htmu_diag.watch(task.model, log_dir=tmp_path / "counted", every=1, sinks=()) as monitor:
        for _ in range(2):
            masters.step()
            monitor.step()
    assert htmu_diag.load_run(tmp_path / "counted").steps == (0, 1, 2)


def test_uncounted_changes_are_told_while_the_training_goes_on(tmp_path: Path) -> None:
    task = Task()
    masters = Masters(task, in_place)
    with htmu_diag.watch(task.model, log_dir=tmp_path, every=1, sinks=()) as monitor:
        with pytest.warns(RuntimeWarning, match="no optimizer step was counted"):
            for _ in range(10):
                masters.step()
                monitor.log({"train/loss": 1.0})


def test_a_model_that_is_only_looked_at_ends_without_a_word(tmp_path: Path, recwarn: pytest.WarningsRecorder) -> None:
    task = Task()
    htmu_diag.watch(task.model, log_dir=tmp_path, sinks=()).close()
    assert not recwarn.list
    assert np.isfinite(htmu_diag.load_run(tmp_path).spectra(0)[0].values).all()


def test_weights_that_diverged_are_not_said_to_be_changed_between_steps(
    tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    task = Task()
    optimizer = torch.optim.SGD(task.model.parameters(), lr=0.1)
    with htmu_diag.watch(task.model, optimizer, log_dir=tmp_path, every=[0], sinks=()):
        for _ in range(4):
            for p in task.model.parameters():
                p.grad = torch.full_like(p, torch.nan)
            optimizer.step()
    assert not [str(warning.message) for warning in recwarn if "between optimizer steps" in str(warning.message)]


def clipped(task: Task, step: int) -> None:
    for p in task.model.parameters():
        p.data.clamp_(-0.05, 0.05)


def looked_ahead(task: Task, step: int) -> None:
    if step % 3 == 0:
        for p in task.model.parameters():
            p.data.mul_(0.9)


def swapped_and_back(task: Task, step: int) -> None:
    kept = copy.deepcopy(task.model.state_dict())
    with torch.no_grad():
        for p in task.model.parameters():
            p.zero_()
    task.model.load_state_dict(kept)


def rolled_back(task: Task, step: int) -> None:
    if step == 4:
        looked_ahead(task, 3)


@pytest.mark.parametrize(("change", "told"), [(clipped, 1), (looked_ahead, 1), (swapped_and_back, 0), (rolled_back, 0)])
def test_weights_that_change_between_steps_are_told_once(
    change: Any, told: int, tmp_path: Path, recwarn: pytest.WarningsRecorder
) -> None:
    task = Task()
    optimizer = sgd(task.model.parameters())
    with htmu_diag.watch(task.model, optimizer, log_dir=tmp_path, every=4, sinks=()):
        for step in range(1, 10):
            task.backward()
            optimizer.step()
            change(task, step)
    said = [event for _, event in htmu_diag.load_run(tmp_path).events() if "between optimizer steps" in event]
    assert len(said) == told == sum("between optimizer steps" in str(each.message) for each in recwarn.list)
