"""A monitor may open and close while an optimizer steps: in its hooks, or in another thread. The step goes on."""

import threading
from pathlib import Path

from torch.optim import optimizer as torch_optimizer

import htmu_diag
from htmu_diag.counting.counter import StepCounter
from tests.monitor.helpers import Task


def test_a_counter_comes_and_goes_in_the_hook_of_a_step(task: Task) -> None:
    hooks = len(torch_optimizer._global_optimizer_post_hooks)
    seen: list[tuple[str, int]] = []

    def first_step(step: int) -> None:
        seen.append(("first", step))
        first.remove()
        second.remove()
        late.append(StepCounter(task.model, None, start=0, on_step=third_step, might_be_due=lambda _: True))

    def third_step(step: int) -> None:
        seen.append(("third", step))

    late: list[StepCounter] = []
    first = StepCounter(task.model, None, start=0, on_step=first_step, might_be_due=lambda _: True)
    second = StepCounter(task.model, None, start=0, on_step=lambda _: seen.append(("second", 0)), might_be_due=bool)
    task.train(2)
    late[0].remove()
    task.train(1)
    assert seen == [("first", 1), ("third", 1)]
    assert len(torch_optimizer._global_optimizer_post_hooks) == hooks


def test_a_monitor_closed_by_another_thread_leaves_the_step_alone(task: Task, tmp_path: Path) -> None:
    """As at the exit of a process whose training is a daemon thread: it is inside a snapshot then."""
    inside, closed = threading.Event(), threading.Event()
    raised: list[RuntimeError] = []
    seen: list[int] = []

    def probing(_: int) -> None:
        inside.set()
        closed.wait(10)

    counter = StepCounter(task.model, None, start=0, on_step=probing, might_be_due=lambda _: True)
    other = StepCounter(task.model, None, start=0, on_step=seen.append, might_be_due=lambda _: True)

    def training() -> None:
        try:
            task.train(2)
        except RuntimeError as error:
            raised.append(error)

    thread = threading.Thread(target=training)
    thread.start()
    inside.wait(10)
    counter.remove()
    htmu_diag.watch(task.model, task.optimizer, log_dir=tmp_path, sinks=()).close()
    closed.set()
    thread.join()
    other.remove()
    assert (raised, seen) == ([], [1, 2])
