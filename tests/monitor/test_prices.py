"""A dear probe does not stand between watch() and the first step, and a budget holds for its first run."""

import time

import pytest
import torch

import htmu_diag
from htmu_diag.probes import StepContext, registry
from htmu_diag.probes.by_samples import seconds_by_samples
from htmu_diag.probes.curvature import CurvatureProbe
from htmu_diag.probes.trial import seconds_of_trial
from htmu_diag.recording.prices import AFTER
from tests.monitor.helpers import StubProbe, Task, spectrum


class Dear(StubProbe):
    """Says what one run costs, and how often it was asked."""

    priced = True

    def __init__(self, seconds: float, name: str = "dear") -> None:
        self.steps: list[int] = []
        self.asked, self._seconds = 0, seconds
        super().__init__(self._run, name)

    def _run(self, step: int) -> list:
        self.steps.append(step)
        return [spectrum()]

    def price(self, context: StepContext) -> float:
        self.asked += 1
        return self._seconds


def trained(probe: Dear, folder, steps: int = 6, others: tuple[Dear, ...] = (), **choices) -> Dear:
    task = Task()
    given = {"every": 5, "verbose": False, **choices}
    with htmu_diag.watch(task.model, task.optimizer, probes=[probe, *others], log_dir=folder, sinks=[], **given):
        task.train(steps)
    return probe


def said_at_first(capsys) -> str:
    """The one line of a beginning run that says what is measured."""
    (line,) = [line for line in capsys.readouterr().err.splitlines() if "measuring" in line]
    return line


def events_of(folder) -> str:
    return "; ".join(event for _, event in htmu_diag.load_run(folder).events())


def test_a_dear_first_run_comes_after_the_first_steps_and_the_first_line_says_so(tmp_path, capsys, recwarn) -> None:
    probe = trained(Dear(12.0), tmp_path, verbose=True)
    price = f"one run takes about 12 s, by a small trial; the first one comes after step {AFTER}"
    assert f"dear every 5 steps ({price}" in said_at_first(capsys)
    assert f"dear: {price}" in events_of(tmp_path)
    assert not [warning for warning in recwarn if "dear" in str(warning.message)]
    assert probe.steps == [AFTER, 5]
    assert probe.asked == 1


def test_what_is_due_later_says_its_price_then(tmp_path) -> None:
    with pytest.warns(RuntimeWarning, match="dear: one run takes about 12 s, by a small trial; to wait less: every"):
        assert trained(Dear(12.0), tmp_path, every=[4]).steps == [4]


def test_a_run_that_ends_before_says_what_it_did_not_measure(tmp_path) -> None:
    assert trained(Dear(12.0), tmp_path, steps=1).steps == []
    assert "its dear first run was put off" in events_of(tmp_path)


def test_a_cheap_one_runs_before_the_first_step(tmp_path) -> None:
    assert trained(Dear(0.5), tmp_path).steps == [0, 5]


def test_several_that_are_dear_together_do_not_all_run_before_the_first_step(tmp_path) -> None:
    others = Dear(1.2, "second"), Dear(0.4, "third")
    assert trained(Dear(1.2), tmp_path, others=others).steps == [0, 5]
    assert [other.steps for other in others] == [[AFTER, 5], [0, 5]]
    assert "second: one run takes about 1.2 s, by a small trial; the first one comes after step" in events_of(tmp_path)


def test_a_budget_holds_for_the_first_run(tmp_path) -> None:
    assert trained(Dear(1000.0), tmp_path, budget=0.05).steps == []
    assert "the budget of 5% holds for the first one too" in events_of(tmp_path)


def test_the_price_of_a_density_is_that_of_its_products(monkeypatch) -> None:
    """Two products, on a clock that moves by one second each."""
    task, now = Task(), {"perf_counter": 0.0, "process_time": 0.0}
    probe = CurvatureProbe(steps=10, probes=3)
    for clock in now:
        monkeypatch.setattr(time, clock, lambda clock=clock: now.update({clock: now[clock] + 1.0}) or now[clock])
    context = StepContext(0, task.model, batch=(task.inputs, task.targets), loss_fn=torch.nn.functional.mse_loss)
    assert probe.price(context) == 30.0
    assert not probe.checked


@pytest.mark.parametrize("name", ["ntk", "jacobian", "conjugate_kernel", "gradient_noise"])
def test_probes_over_samples_are_priced_by_a_few_of_them(name) -> None:
    """The price is a finite time, and what was tried leaves the model as it was."""
    task = Task()
    context = StepContext(0, task.model, batch=(task.inputs, task.targets), loss_fn=torch.nn.functional.mse_loss)
    before = [parameter.clone() for parameter in task.model.parameters()]
    assert 0 < registry[name]().price(context) < 60
    assert all(map(torch.equal, before, task.model.parameters()))
    assert all(parameter.grad is None for parameter in task.model.parameters())


@pytest.mark.parametrize("power", [1, 2])
def test_a_price_grows_with_the_samples_as_the_trials_do(power, monkeypatch) -> None:
    """A clock that each run moves by n**power ten thousandths of a second."""
    now, runs = [0.0], []
    for clock in ("perf_counter", "process_time"):
        monkeypatch.setattr(time, clock, lambda: now[0])

    def run(count: int) -> None:
        runs.append(count)
        now[0] += count**power / 10_000

    assert seconds_by_samples(run, 200) == pytest.approx(200**power / 10_000)
    assert max(runs) <= 100
    assert seconds_by_samples(lambda _: (_ for _ in ()).throw(RuntimeError("no derivative")), 200) == 0.0


def test_what_a_trial_waits_for_others_is_not_its_price(monkeypatch) -> None:
    """A core that is lost for a fifth of a second counts beside a device only, whose work it may be."""
    for device, seconds in (("cuda", 0.2), ("", 0.0)):
        monkeypatch.setattr("htmu_diag.probes.trial._has_device", lambda device=device: bool(device))
        assert seconds_of_trial(time.sleep, 0.2) == pytest.approx(seconds, abs=0.1)
