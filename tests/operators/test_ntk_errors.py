"""Bad input is told by name, before anything expensive runs."""

from typing import Any

import pytest
import torch
from torch import nn

from htmu_diag.errors import HTMUError, InputError, MeasurementError
from htmu_diag.operators import empirical_ntk


def mlp() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(4, 5), nn.Tanh(), nn.Linear(5, 3))


class Labels(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).argmax(1)


class Detached(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).detach()


class Mean(nn.Sequential):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return super().forward(x).mean()


class Routed(nn.Module):
    """An expert that only some samples reach."""

    def __init__(self) -> None:
        super().__init__()
        self.always, self.rare = nn.Linear(4, 3), nn.Linear(4, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        chosen = x[:, :1] > 100
        return torch.where(chosen, self.rare(x), self.always(x)) if chosen.any() else self.always(x)


def test_zero_samples_and_nan_inputs_are_input_errors() -> None:
    with pytest.raises(InputError, match="zero samples"):
        empirical_ntk(mlp(), torch.zeros(0, 4))
    x = torch.randn(6, 4)
    x[[1, 4], 2] = float("nan")
    with pytest.raises(InputError, match="2 of 6 samples hold NaN"):
        empirical_ntk(mlp(), x)


def test_inputs_that_disagree_about_the_number_of_samples_are_refused() -> None:
    with pytest.raises(InputError, match="disagree"):
        empirical_ntk(mlp(), (torch.zeros(2, 4), torch.zeros(3, 4)))


@pytest.mark.parametrize(
    ("kind", "words"),
    [
        (Labels, "not differentiable"),
        (Detached, "no gradient.*last module whose output has one is 2"),
        (Mean, "one row for each sample"),
    ],
)
def test_an_output_without_a_per_sample_gradient_is_refused(kind: Any, words: str) -> None:
    with pytest.raises(MeasurementError, match=words):
        empirical_ntk(kind(*mlp()), torch.randn(3, 4))


def test_integer_inputs_to_a_layer_that_needs_numbers_name_the_layer() -> None:
    with pytest.raises(MeasurementError, match=r"^0: the forward pass failed"):
        empirical_ntk(mlp(), torch.ones(3, 4, dtype=torch.long))


def test_a_diverged_weight_is_named() -> None:
    model = mlp()
    with torch.no_grad():
        model[2].weight[0, 0] = float("inf")
    with pytest.raises(MeasurementError, match=r"^2: output is NaN or infinite"):
        empirical_ntk(model, torch.randn(3, 4))


def test_batch_norm_in_train_mode_and_live_dropout_are_refused_by_name() -> None:
    normed = nn.Sequential(nn.Linear(4, 5), nn.BatchNorm1d(5), nn.Linear(5, 2))
    with pytest.raises(MeasurementError, match=r"1: batch normalisation.*model.eval"):
        empirical_ntk(normed, torch.randn(3, 4))
    with pytest.raises(MeasurementError, match="dropout"):
        empirical_ntk(nn.Sequential(nn.Linear(4, 5), nn.Dropout(0.1)), torch.randn(3, 4))
    assert empirical_ntk(normed.eval(), torch.randn(3, 4)).matrix.shape == (3, 3)


def test_gradients_scaled_by_counts_over_the_batch_are_refused_by_name() -> None:
    model = nn.Sequential(nn.Embedding(5, 3, scale_grad_by_freq=True), nn.Flatten(), nn.Linear(6, 2))
    with pytest.raises(MeasurementError, match="^0: scale_grad_by_freq"):
        empirical_ntk(model, torch.tensor([[0, 1], [2, 1]]))


def test_an_output_that_the_parameters_do_not_reach_is_refused() -> None:
    class Passing(nn.Linear):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return x.requires_grad_() * 2

    with pytest.raises(MeasurementError, match="does not depend on any of the chosen parameters"):
        empirical_ntk(Passing(3, 2), torch.randn(4, 3))


def test_parameters_that_do_not_exist_or_are_unused_or_frozen_are_named() -> None:
    model = mlp()
    with pytest.raises(InputError, match="no trainable parameter"):
        empirical_ntk(model, torch.randn(3, 4), parameters="encoder.*")
    unused = Routed()
    with pytest.raises(HTMUError, match=r"rare.weight|chosen parameters"):
        empirical_ntk(unused, torch.randn(3, 4), parameters="rare.*")
    with pytest.raises(InputError, match="all are frozen"):
        empirical_ntk(model.requires_grad_(False), torch.randn(3, 4))


def test_a_parameter_that_only_late_samples_reach_is_refused_not_dropped() -> None:
    x = torch.randn(6, 4)
    x[5, 0] = 200.0
    with pytest.raises(MeasurementError, match="rare.weight: some samples use it"):
        empirical_ntk(Routed(), x)


def test_an_unknown_mode_is_refused() -> None:
    with pytest.raises(InputError, match="outputs = 'sum' cannot be taken; pass 'trace'"):
        empirical_ntk(mlp(), torch.randn(3, 4), outputs="sum")  # type: ignore[arg-type]


def test_a_complex_parameter_is_refused_by_name() -> None:
    """Its gradient was cut to the real part without a word."""

    class Filter(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.taps = nn.Parameter(torch.randn(3, 4, dtype=torch.complex64))

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return (x.to(torch.complex64) @ self.taps.T).abs()

    with pytest.raises(MeasurementError, match="taps: a complex parameter"):
        empirical_ntk(Filter(), torch.randn(5, 4))
