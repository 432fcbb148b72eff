"""Two models that train against each other are watched side by side, and neither training is changed."""

import contextlib
import functools
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch

import htmu_diag
from htmu_diag.model.loss_modules import loss_modules

Watching = Callable[..., contextlib.AbstractContextManager[Any]]
linear = torch.nn.Linear
bce = torch.nn.functional.binary_cross_entropy_with_logits
PROBES = ["weights", "trajectory", "hessian", "gradient_noise", "ntk"]


def played(watching: Watching) -> dict[str, Any]:
    """12 steps of a discriminator, 4 of a generator; everything that is left behind."""
    torch.manual_seed(0)
    generator = torch.nn.Sequential(linear(8, 16), torch.nn.BatchNorm1d(16), torch.nn.ReLU(), linear(16, 12))
    norm, dropout = torch.nn.BatchNorm1d(16), torch.nn.Dropout(0.3)
    critic = torch.nn.Sequential(linear(12, 16), norm, torch.nn.LeakyReLU(0.2), dropout, linear(16, 1))
    for_generator, for_critic = (torch.optim.Adam(model.parameters(), lr=1e-3) for model in (generator, critic))
    real, noise, ones, losses = torch.randn(12, 12), torch.randn(12, 8), torch.ones(12, 1), []

    def fooled(fakes: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return bce(critic(fakes), targets)

    with (
        watching("generator", generator, for_generator, batch=(noise, ones), loss_fn=fooled, every=1),
        watching("critic", critic, for_critic, batch=(real, ones), loss_fn=bce, every=3),
    ):
        for step in range(12):
            fakes = generator(torch.randn(16, 8))
            for_critic.zero_grad()
            loss = bce(critic(torch.randn(16, 12)), torch.ones(16, 1))
            (loss + bce(critic(fakes.detach()), torch.zeros(16, 1))).backward()
            for_critic.step()
            losses.append(loss.item())
            if step % 3 == 2:
                for_generator.zero_grad()
                fooled(fakes, torch.ones(16, 1)).backward()
                for_generator.step()
    models, optimizers = (generator, critic), (for_generator, for_critic)
    return {
        "states": [thing.state_dict() for thing in (*models, *optimizers)],
        "gradients": [parameter.grad for model in models for parameter in model.parameters()],
        "modes": [module.training for model in models for module in model.modules()],
        "losses": losses,
        "generator": torch.get_rng_state(),
    }


def test_a_gan_trains_as_unwatched_and_each_player_counts_its_own_steps(tmp_path: Path) -> None:
    def watching(name: str, *pair: Any, **choices: Any) -> htmu_diag.Monitor:
        return htmu_diag.watch(*pair, log_dir=tmp_path / name, probes=PROBES, **choices)

    def unwatched(*_: Any, **__: Any) -> contextlib.AbstractContextManager[None]:
        return contextlib.nullcontext()

    torch.testing.assert_close(played(watching), played(unwatched), rtol=0, atol=0)
    of_generator, of_critic = (htmu_diag.load_run(tmp_path / name) for name in ("generator", "critic"))
    assert (of_generator.steps, of_critic.steps) == ((0, 1, 2, 3, 4), (0, 3, 6, 9, 12))
    assert not of_generator.events()
    assert not of_critic.events()
    assert of_generator.names() == ("0.weight", "3.weight")


named = linear(2, 2)


def helper(outputs: torch.Tensor) -> torch.Tensor:
    return named(outputs).mean()


class Trainer:
    def __init__(self, critic: torch.nn.Module) -> None:
        self.players = {"critic": critic}

    def loss(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return self.players["critic"](outputs).mean()


class CallableTrainer(Trainer):
    def __call__(self, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return helper(self.loss(outputs, targets))


def of_two(critic: torch.nn.Module, outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
    return critic(outputs).mean()


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        (lambda outputs, targets: helper(outputs), {"named"}),
        (Trainer(linear(1, 1)).loss, {"given"}),
        (CallableTrainer(linear(1, 1)), {"given", "named"}),
        (functools.partial(of_two, linear(1, 1)), {"given"}),
        (linear(1, 1), {"given"}),
        (torch.nn.functional.cross_entropy, set()),
        (None, set()),
    ],
)
def test_the_modules_that_a_loss_runs_are_found(loss: Any, found: set[str]) -> None:
    assert {"named" if module is named else "given" for module in loss_modules(loss)} == found


def test_a_loss_that_holds_itself_and_much_data_is_searched_once() -> None:
    def loss(outputs: torch.Tensor, targets: torch.Tensor) -> torch.Tensor:
        return loss(outputs, targets) if data else later

    data = [linear(1, 1)] * 1000
    assert loss_modules(loss) == ()
    later = linear(1, 1)
    assert loss_modules(loss) == (later,)
