"""Real optimizer steps are counted, whatever the loop around them does."""

import copy
from collections.abc import Callable, Iterator

import pytest
import torch

from htmu_diag.counting.counter import StepCounter
from tests.monitor.helpers import Task

Counted = tuple[StepCounter, list[int]]
Due = Callable[[int], bool]


@pytest.fixture
def counting(task: Task) -> Iterator[Callable[..., Counted]]:
    counters = []

    def count(
        optimizer: torch.optim.Optimizer | None = None, due: Callable[[int], bool] = lambda step: True
    ) -> Counted:
        seen: list[int] = []
        counter = StepCounter(task.model, optimizer, start=0, on_step=seen.append, might_be_due=due)
        counters.append(counter)
        return counter, seen

    yield count
    for counter in counters:
        counter.remove()


def test_every_optimizer_step_counts_once(task: Task, counting: Callable[..., Counted]) -> None:
    counter, seen = counting(task.optimizer)
    task.train(3)
    assert seen == [1, 2, 3]
    assert counter.step == 3


def test_an_optimizer_made_after_watching_counts(task: Task, counting: Callable[..., Counted]) -> None:
    _, seen = counting()
    task.optimizer = torch.optim.AdamW(task.model.parameters())
    task.train(2)
    assert seen == [1, 2]


def test_accumulated_gradients_are_one_step(task: Task, counting: Callable[..., Counted]) -> None:
    _, seen = counting(task.optimizer)
    for _ in range(4):
        task.backward()
    task.optimizer.step()
    assert seen == [1]


def test_lbfgs_counts_calls_of_step_not_evaluations(task: Task, counting: Callable[..., Counted]) -> None:
    _, seen = counting()
    optimizer = torch.optim.LBFGS(task.model.parameters(), max_iter=4)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = task.model(task.inputs).square().mean()
        loss.backward()
        return loss

    optimizer.step(closure)
    assert seen == [1]


def test_the_optimizer_of_another_model_does_not_count(task: Task, counting: Callable[..., Counted]) -> None:
    _, seen = counting()
    other = Task()
    other.model = copy.deepcopy(task.model)
    other.train(2)
    assert seen == []


def test_two_optimizers_of_one_model_count_one_step_a_round(task: Task, counting: Callable[..., Counted]) -> None:
    _, seen = counting()
    halves = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (task.model[0], task.model[2])]
    task.backward()
    for _ in range(3):
        for half in halves:
            half.step()
    assert seen == [1, 2, 3]


@pytest.mark.parametrize("members_known", [True, False])
def test_the_leader_may_be_the_second_to_step(task: Task, members_known: bool) -> None:
    """A GAN's critic steps first and its generator counts: equal numbers, and no step is announced before both."""
    critic, generator = (torch.optim.SGD(part.parameters(), lr=0.1) for part in (task.model[0], task.model[2]))
    seen: list[int] = []
    members = [generator, critic] if members_known else []
    counter = StepCounter(
        task.model, generator, start=0, on_step=seen.append, might_be_due=lambda step: True, members=members
    )
    task.backward()
    for _ in range(4):
        critic.step()
        generator.step()
    assert not counter.rounds.uneven
    generator.step()
    generator.step()
    assert counter.rounds.uneven
    counter.finish()
    assert seen == [1, 2, 3, 4, 5, 6]
    counter.remove()


def test_a_new_optimizer_takes_over_when_the_first_one_rests(task: Task, counting: Callable[..., Counted]) -> None:
    counter, _ = counting(task.optimizer)
    task.train(2)
    second = torch.optim.AdamW(task.model.parameters())
    for _ in range(4):
        second.step()
    assert counter.step == 2 + 4


class Around(torch.optim.Optimizer):
    """A wrapper that holds the parameters of its base and steps it, or leaves that to the loop."""

    def __init__(self, base: torch.optim.Optimizer) -> None:
        super().__init__(base.param_groups, {})
        self.base = base

    def step(self, closure: object = None) -> None:  # type: ignore[override]
        self.base.step()


def test_the_base_of_a_wrapper_named_in_its_place_counts_from_its_first_step(
    task: Task, counting: Callable[..., Counted]
) -> None:
    around = Around(torch.optim.SGD(task.model.parameters(), lr=0.1))
    _, seen = counting(around)
    task.backward()
    for _ in range(3):
        around.base.step()
    assert seen == [1, 2, 3]


def test_several_that_a_wrapper_without_hooks_steps_count_in_rounds(
    task: Task, counting: Callable[..., Counted]
) -> None:
    """A container that torch's constructor never saw, and which no hook therefore sees."""
    around = Around.__new__(Around)
    halves = [torch.optim.SGD(part.parameters(), lr=0.1) for part in (task.model[0], task.model[2])]
    around.param_groups = [group for half in halves for group in half.param_groups]
    _, seen = counting(around)
    task.backward()
    for _ in range(3):
        for half in halves:
            half.step()
    assert seen == [1, 2, 3]


def test_a_warm_up_before_the_first_round_makes_no_round_uneven(task: Task, counting: Callable[..., Counted]) -> None:
    critic, generator = (torch.optim.SGD(part.parameters(), lr=0.1) for part in (task.model[0], task.model[2]))
    counter, seen = counting(generator)
    task.backward()
    for times in (7, 1, 1):
        for _ in range(times):
            critic.step()
        generator.step()
    assert not counter.rounds.uneven
    counter.finish()
    assert seen == [1, 2, 3]


def test_a_wrapper_that_steps_its_base_counts_when_it_is_done_itself(
    task: Task, counting: Callable[..., Counted]
) -> None:
    around = Around(torch.optim.SGD(task.model.parameters(), lr=0.1))
    counter, seen = counting(around)
    task.backward()
    for _ in range(3):
        around.step()
    assert seen == [1, 2, 3]
    assert counter.leader.startswith("the Around")


def test_the_other_player_of_a_game_does_not_take_over(task: Task, counting: Callable[..., Counted]) -> None:
    """A critic that is trained more often than the generator, in one module with it."""
    generator, critic = (torch.optim.SGD(part.parameters(), lr=0.1) for part in (task.model[0], task.model[2]))
    of_generator, _ = counting(generator)
    of_critic, _ = counting(critic)
    task.backward()
    for steps in (100, 5, 1, 5):
        for _ in range(steps):
            critic.step()
        generator.step()
    assert of_generator.step == 4
    assert of_critic.step == 111


def test_the_second_half_of_a_model_counts_when_the_first_is_done(task: Task, counting: Callable[..., Counted]) -> None:
    first, second = (torch.optim.SGD(part.parameters(), lr=0.1) for part in (task.model[0], task.model[2]))
    counter, _ = counting(first)
    task.backward()
    first.step()
    for _ in range(300):
        second.step()
    assert counter.step == 301


def test_an_optimizer_of_replaced_parameters_gives_way_at_once(task: Task, counting: Callable[..., Counted]) -> None:
    counter, _ = counting(task.optimizer)
    task.train(1)
    task.model.load_state_dict({n: p.clone() for n, p in task.model.state_dict().items()}, assign=True)
    second = torch.optim.SGD(task.model.parameters(), lr=0.1)
    for _ in range(3):
        second.step()
    assert counter.step == 4


def test_parameters_replaced_after_watching_are_recognised(task: Task, counting: Callable[..., Counted]) -> None:
    counter, seen = counting()
    task.model[0].weight = torch.nn.Parameter(task.model[0].weight.detach().clone())
    torch.optim.SGD([task.model[0].weight], lr=0.1).step()
    assert counter.step == 1
    counter.finish()
    assert seen == [1]


@pytest.mark.parametrize("fused", [False, True])
def test_a_step_skipped_for_infinite_gradients_does_not_count(
    task: Task, counting: Callable[..., Counted], fused: bool
) -> None:
    optimizer = torch.optim.Adam(task.model.parameters(), lr=0.01, fused=fused)
    counter, seen = counting(optimizer)
    scaler = torch.amp.GradScaler("cpu", init_scale=2.0)
    for overflow in (False, True, False, True):
        optimizer.zero_grad()
        scaler.scale(task.model(task.inputs).square().mean()).backward()
        if overflow:
            task.model[0].weight.grad.fill_(torch.inf)
        scaler.step(optimizer)
        scaler.update()
    assert seen == [1, 2]
    assert counter.step == 2


def test_flags_of_skipped_steps_are_read_only_when_a_step_might_be_due(
    task: Task, counting: Callable[..., Counted]
) -> None:
    counter, seen = counting(task.optimizer, due=lambda step: step == 3)
    for flag in (0.0, 1.0):
        counter._count(torch.tensor(flag))
    assert len(counter._undecided) == 2
    for flag in (0.0, 0.0):
        counter._count(torch.tensor(flag))
    counter.finish()
    assert seen[-1] == 3
    assert not counter._undecided


def test_a_compiled_step_counts_and_is_not_compiled_again(task: Task, counting: Callable[..., Counted]) -> None:
    _, seen = counting(task.optimizer)
    task.backward()
    step = torch.compile(task.optimizer.step, backend="eager")
    for _ in range(3):
        step()
    compiled = dict(torch._dynamo.utils.counters["frames"])
    step()
    assert dict(torch._dynamo.utils.counters["frames"]) == compiled
    assert seen == [1, 2, 3, 4]


def test_a_step_that_is_recorded_into_a_cuda_graph_is_not_taken(
    task: Task, counting: Callable[..., Counted], monkeypatch: pytest.MonkeyPatch
) -> None:
    """With a stand-in for what CUDA says; the replays are the user's to count."""
    _, seen = counting(task.optimizer)
    monkeypatch.setattr(torch.cuda, "is_initialized", lambda: True)
    monkeypatch.setattr(torch.cuda, "is_current_stream_capturing", lambda: True)
    task.train(1)
    monkeypatch.undo()
    task.train(2)
    assert seen == [1, 2]


def test_nothing_counts_after_removal(task: Task, counting: Callable[..., Counted]) -> None:
    counter, seen = counting(task.optimizer)
    counter.remove()
    task.train(1)
    assert seen == []
