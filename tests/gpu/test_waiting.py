"""What a step of the training waits for: nothing."""

import time
from pathlib import Path
from typing import Any

import pytest
import torch

import htmu_diag
from htmu_diag.probes import StepContext, TrajectoryProbe, WeightsProbe
from tests.gpu.marks import CUDA, GPU

pytestmark = GPU


def stepped(model: torch.nn.Module, optimizer: torch.optim.Optimizer) -> None:
    optimizer.zero_grad()
    model(torch.randn(16, 32, device=CUDA)).square().mean().backward()
    optimizer.step()


def made() -> tuple[torch.nn.Module, torch.optim.Optimizer]:
    model = torch.nn.Sequential(torch.nn.Linear(32, 64), torch.nn.Tanh(), torch.nn.Linear(64, 8)).to(CUDA)
    return model, torch.optim.SGD(model.parameters(), lr=0.1)


def test_looking_at_every_step_synchronises_nothing() -> None:
    model, optimizer = made()
    probe, context = TrajectoryProbe(), StepContext(0, model, optimizer)
    probe.observe(context)
    torch.cuda.set_sync_debug_mode("error")
    try:
        for step in range(1, 5):
            stepped(model, optimizer)
            probe.observe(context.at(step))
    finally:
        torch.cuda.set_sync_debug_mode("default")
    assert [spectrum.dimension for spectrum in probe.measure(context.at(4))] == [4, 4, 4, 4]


@pytest.mark.parametrize("path", ["trajectory", TrajectoryProbe(micro_steps=True)], ids=["steps", "passes"])
def test_a_step_and_a_snapshot_of_the_weights_synchronise_nothing(path: Any, tmp_path: Path) -> None:
    """After one round in which every kernel was loaded: the first launch of a kernel may wait for the device.

    That no call of torch's waits does not say that nothing waits: a short list that is sent to the device does.
    """
    model, optimizer = made()
    with htmu_diag.watch(model, optimizer, log_dir=tmp_path, every=3, probes=["weights", path]) as monitor:
        for _ in range(3):
            stepped(model, optimizer)
        monitor.log({"loss": torch.ones((), device=CUDA)})
        monitor.flush()
        torch.cuda.set_sync_debug_mode("error")
        try:
            for _ in range(3):
                stepped(model, optimizer)
            monitor.log({"loss": torch.ones((), device=CUDA)})
        finally:
            torch.cuda.set_sync_debug_mode("default")
        monitor.flush()
        busy, began, times = torch.cuda.Event(), time.perf_counter(), []
        torch.cuda._sleep(3_000_000_000)  # more than a second
        busy.record()
        for _ in range(3):
            stepped(model, optimizer)
            times.append(time.perf_counter() - began)
        monitor.log({"loss": torch.ones((), device=CUDA)})
        assert not busy.query(), times
    assert htmu_diag.load_run(tmp_path).steps == (0, 3, 6, 9)


@pytest.mark.filterwarnings("ignore:htmu_diag")
def test_a_scaler_is_read_only_where_a_step_might_be_due(tmp_path: Path) -> None:
    model, optimizer = made()
    scaler = torch.amp.GradScaler("cuda")
    with htmu_diag.watch(model, optimizer, log_dir=tmp_path, every=2, strict=True) as monitor:
        for step in range(5):
            optimizer.zero_grad()
            loss = model(torch.randn(16, 32, device=CUDA)).square().mean()
            if step == 1:
                loss = loss * float("inf")
            scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
        assert monitor.steps_taken == 4


def test_frozen_weights_are_waited_for_once_a_snapshot() -> None:
    model = torch.nn.Sequential(*(torch.nn.Linear(32, 32, device=CUDA) for _ in range(5))).requires_grad_(False)
    probe, reads = WeightsProbe(), []
    list(probe.capture(StepContext(0, model)))

    def read(tensor: torch.Tensor) -> object:
        reads.append(tensor.device.type)
        return tolist(tensor)

    tolist = torch.Tensor.tolist
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(torch.Tensor, "tolist", read)
        assert list(probe.capture(StepContext(1, model))) == []
    assert reads == ["cuda"]


def test_weights_that_are_changed_between_steps_are_told_after_one_read(tmp_path: Path) -> None:
    model, optimizer = made()
    with pytest.warns(RuntimeWarning, match="changed between optimizer steps"):
        with htmu_diag.watch(model, optimizer, log_dir=tmp_path, every=100, sinks=[]):
            for _ in range(40):
                stepped(model, optimizer)
                with torch.no_grad():
                    for parameter in model.parameters():
                        parameter.clamp_(-0.1, 0.1).mul_(0.99)
