"""A training that stands still for snapshots is told so once, with the ways out."""

import time
from pathlib import Path

import pytest

import htmu_diag
from htmu_diag.probes import Pending, StepContext
from htmu_diag.voice import notices
from tests.monitor.helpers import StubProbe, Task, spectrum


class Slow(StubProbe):
    """Computes for a while on the worker."""

    runs = "shared"

    def __init__(self, seconds: float) -> None:
        super().__init__(lambda step: [spectrum()])
        self.seconds = seconds

    def capture(self, context: StepContext):  # type: ignore[no-untyped-def]
        yield Pending("layer", 0, lambda: (time.sleep(self.seconds), spectrum())[1])


@pytest.mark.parametrize("seconds", [0.0, 0.5])
def test_the_first_long_wait_is_told_once(
    seconds: float, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, recwarn: pytest.WarningsRecorder
) -> None:
    monkeypatch.setattr(notices, "LONG_WAIT", 0.2 if seconds else 30.0)
    task = Task()
    with htmu_diag.watch(
        task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=(), probes=[Slow(seconds)], strict=True
    ):
        task.train(8)
    told = [str(warning.message) for warning in recwarn if "waited" in str(warning.message)]
    assert len(told) == (1 if seconds else 0)
    assert all("every=" in sentence and "budget=" in sentence for sentence in told)
    assert htmu_diag.load_run(tmp_path).steps == tuple(range(9))
