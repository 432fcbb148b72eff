"""A dear probe does not stand between watch() and the first step, and a budget holds for its first run."""

import pytest
import torch

import htmu_diag
from htmu_diag.probes import StepContext
from htmu_diag.probes.curvature import CurvatureProbe
from htmu_diag.recording.prices import AFTER
from tests.monitor.helpers import StubProbe, Task, spectrum


class Dear(StubProbe):
    """Says what one run costs, and how often it was asked."""

    priced = True

    def __init__(self, seconds: float) -> None:
        self.steps: list[int] = []
        self.asked, self._seconds = 0, seconds
        super().__init__(self._run, "dear")

    def _run(self, step: int) -> list:
        self.steps.append(step)
        return [spectrum()]

    def price(self, context: StepContext) -> float:
        self.asked += 1
        return self._seconds


def trained(probe: Dear, folder, steps: int = 6, **choices) -> Dear:
    task = Task()
    with htmu_diag.watch(
        task.model, task.optimizer, probes=[probe], every=5, log_dir=folder, sinks=[], verbose=False, **choices
    ):
        task.train(steps)
    return probe


def test_a_dear_first_run_comes_after_the_first_steps_and_says_so(tmp_path) -> None:
    with pytest.warns(RuntimeWarning, match=f"dear: one run takes about 12 s.* after step {AFTER}; measure less often"):
        probe = trained(Dear(12.0), tmp_path)
    assert probe.steps == [AFTER, 5]
    assert probe.asked == 1


def test_a_run_that_ends_before_says_what_it_did_not_measure(tmp_path) -> None:
    with pytest.warns(RuntimeWarning, match="dear: one run takes"):
        probe = trained(Dear(12.0), tmp_path, steps=1)
    assert probe.steps == []
    assert any("its dear first run was put off" in event for _, event in htmu_diag.load_run(tmp_path).events())


def test_a_cheap_one_runs_before_the_first_step(tmp_path) -> None:
    assert trained(Dear(0.5), tmp_path).steps == [0, 5]


def test_a_budget_holds_for_the_first_run(tmp_path) -> None:
    with pytest.warns(RuntimeWarning, match="the budget of 5% holds for the first one too"):
        probe = trained(Dear(1000.0), tmp_path, budget=0.05)
    assert probe.steps == []


def test_the_price_of_a_density_is_that_of_its_products(monkeypatch) -> None:
    """Two products, on a clock that moves by one second each."""
    task, now = Task(), [0.0]
    probe = CurvatureProbe(steps=10, probes=3)
    clock = "htmu_diag.probes.curvature.time.perf_counter"
    monkeypatch.setattr(clock, lambda: now.__setitem__(0, now[0] + 1.0) or now[0])
    context = StepContext(0, task.model, batch=(task.inputs, task.targets), loss_fn=torch.nn.functional.mse_loss)
    assert probe.price(context) == 30.0
    assert not probe.checked
