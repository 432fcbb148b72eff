"""Ctrl-C during a measurement: the training can be gone on with, as in a notebook."""

import importlib
import signal
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

import htmu_diag
from htmu_diag.model.quiet import Restore
from htmu_diag.model.sigint import Interrupts
from htmu_diag.probes import Pending, StepContext
from tests.monitor.helpers import StubProbe, Task, spectrum


@pytest.fixture(autouse=True)
def handled() -> Iterator[None]:
    """As in a terminal, also where the tests run as a shell's background job, which ignores the signal."""
    before = signal.signal(signal.SIGINT, signal.default_int_handler)
    yield
    assert signal.signal(signal.SIGINT, before) is signal.default_int_handler


def interrupt() -> None:
    signal.raise_signal(signal.SIGINT)


@pytest.mark.parametrize("budget", [None, 1.0])
def test_a_run_goes_on_after_interrupts_inside_a_probe(task: Task, tmp_path: Path, budget: float | None) -> None:
    probe = StubProbe(lambda step: [spectrum()] if step > 3 else interrupt() or [])
    choices = {"every": [1, 2, 3, 4, 5], "probes": [probe], "budget": budget}
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, **choices) as monitor:
        for _ in range(3):
            with pytest.raises(KeyboardInterrupt):
                task.train(1)
        for _ in range(2):
            task.train(1)
            monitor.flush()
    assert htmu_diag.load_run(tmp_path).steps == (4, 5)
    assert not htmu_diag.load_run(tmp_path).events()


def test_an_interrupt_waits_until_the_model_is_as_it_was(
    task: Task, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def interrupted(begin: Callable[..., Restore]) -> Callable[..., Restore]:
        def begun(*args: object) -> Restore:
            restore = begin(*args)
            return lambda: (interrupt(), restore())[1]

        return begun

    quiet_module = importlib.import_module("htmu_diag.model.quiet")
    monkeypatch.setattr(quiet_module, "generators", interrupted(quiet_module.generators))
    task.backward()
    gradients = [parameter.grad for parameter in task.model.parameters()]
    task.model[0].eval()

    def careless(step: int) -> list[htmu_diag.Spectrum]:
        task.model.requires_grad_(False).train()
        return [spectrum()]

    with pytest.raises(KeyboardInterrupt):
        htmu_diag.watch(task.model, log_dir=tmp_path, probes=[StubProbe(careless)])
    assert all(parameter.requires_grad for parameter in task.model.parameters())
    assert [parameter.grad for parameter in task.model.parameters()] == gradients
    assert [module.training for module in task.model.children()] == [False, True, True]
    assert htmu_diag.load_run(tmp_path).steps == (0,)


def test_a_training_that_waits_for_the_worker_can_be_interrupted(task: Task, tmp_path: Path) -> None:
    free = threading.Event()

    class Stuck(StubProbe):
        runs = "shared"

        def capture(self, context: StepContext) -> Iterator[Pending]:
            yield Pending("layer", 0, lambda: (free.wait(60), spectrum())[1])

    stuck = Stuck(lambda step: [])
    with htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, every=1, sinks=(), probes=[stuck]) as monitor:
        main = threading.main_thread().ident
        assert main is not None
        timer = threading.Timer(0.3, signal.pthread_kill, (main, signal.SIGINT))
        timer.start()
        with pytest.raises(KeyboardInterrupt):
            task.train(5)
        free.set()
        task.train(5)
    assert htmu_diag.load_run(tmp_path).steps[-1] == monitor.steps_taken


def test_the_users_own_handler_is_the_one_that_is_called() -> None:
    seen: list[str] = []
    signal.signal(signal.SIGINT, lambda *_: seen.append("called"))
    with Interrupts() as interrupts:
        interrupt()
        assert not seen
        with interrupts.allowed():
            assert len(seen) == 1
            interrupt()
            interrupt()
            assert len(seen) == 3
        interrupt()
        assert len(seen) == 3
    assert len(seen) == 4
    signal.signal(signal.SIGINT, signal.default_int_handler)


def test_the_second_interrupt_of_a_part_waits_for_the_end_of_the_block() -> None:
    put_back = False
    with pytest.raises(KeyboardInterrupt):
        with Interrupts() as interrupts:
            try:
                with interrupts.allowed():
                    interrupt()
            finally:
                interrupt()
                put_back = True
    assert put_back


def test_another_thread_leaves_the_handler_alone() -> None:
    def inside() -> None:
        with Interrupts():
            seen.append(signal.getsignal(signal.SIGINT))

    seen: list[object] = []
    thread = threading.Thread(target=inside)
    thread.start()
    thread.join()
    assert seen == [signal.default_int_handler]
