"""Products, projections and plans agree with the exact kernel."""

import pytest
import torch
from torch import nn

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators.ntk import empirical_ntk, ntk_operator
from htmu_diag.operators.ntk.sketch import directions


def mlp(outputs: int = 6) -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 16), nn.SiLU(), nn.LayerNorm(16), nn.Linear(16, outputs)).double()
    return model, torch.randn(9, 5, dtype=torch.float64)


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.lstm, self.head = nn.LSTM(3, 4, batch_first=True), nn.Linear(4, 2)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.lstm(x)[0][:, -1])


def test_products_equal_the_full_kernel_in_small_chunks() -> None:
    model, x = mlp()
    operator, kernel = ntk_operator(model, x, chunk=4), empirical_ntk(model, x, outputs="full").matrix
    block = torch.randn(operator.shape[0], 3, dtype=torch.float64)
    assert torch.allclose(operator @ block, kernel @ block, rtol=1e-10)
    assert operator.products == 3
    assert operator.shape == (54, 54)


def test_a_model_without_forward_mode_falls_back_to_double_backward() -> None:
    torch.manual_seed(0)
    model, x = Recurrent().double(), torch.randn(4, 5, 3, dtype=torch.float64)
    operator, kernel = ntk_operator(model, x), empirical_ntk(model, x, outputs="full").matrix
    vector = torch.randn(8, dtype=torch.float64)
    assert torch.allclose(operator @ vector, kernel @ vector, rtol=1e-8)


class Two(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(2, 4)

    def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
        return torch.tanh(self.a(a)) * self.b(b)


@pytest.mark.parametrize("form", [tuple, dict])
def test_products_are_the_same_however_several_inputs_are_given(form: type) -> None:
    torch.manual_seed(0)
    model, a, b = Two().double(), torch.randn(5, 3, dtype=torch.float64), torch.randn(5, 2, dtype=torch.float64)
    inputs = (a, b) if form is tuple else {"a": a, "b": b}
    operator, kernel = ntk_operator(model, inputs, chunk=2), empirical_ntk(model, inputs, outputs="full").matrix
    vector = torch.randn(20, dtype=torch.float64)
    assert torch.allclose(operator @ vector, kernel @ vector, rtol=1e-10)


def test_a_vector_of_the_wrong_length_is_refused() -> None:
    model, x = mlp()
    with pytest.raises(InputError, match="54"):
        ntk_operator(model, x) @ torch.zeros(9, dtype=torch.float64)


def test_the_sketch_is_unbiased_and_its_reported_error_is_its_real_one() -> None:
    model, x = mlp()
    exact = empirical_ntk(model, x).matrix
    draws = [empirical_ntk(model, x, sketch=3, seed=seed) for seed in range(100)]
    mean = torch.stack([draw.matrix for draw in draws]).mean(0)
    real = torch.stack([((draw.matrix - exact).norm() / exact.norm()) ** 2 for draw in draws]).mean() ** 0.5
    told = torch.tensor([draw.error**2 for draw in draws]).mean() ** 0.5
    assert (mean - exact).norm() / exact.norm() < 3 * real / 100**0.5 * 2
    assert told == pytest.approx(float(real), rel=0.2)


def test_a_sketch_of_all_directions_is_exact_and_says_so() -> None:
    model, x = mlp()
    kernel = empirical_ntk(model, x, sketch=6)
    assert kernel.error == 0
    assert torch.allclose(kernel.matrix, empirical_ntk(model, x).matrix, rtol=1e-10)


def test_many_outputs_are_projected_by_themselves_and_few_are_not() -> None:
    model, x = mlp()
    assert empirical_ntk(model, x, sketch="auto").error == 0
    wide = torch.nn.Linear(3, 1025, dtype=torch.float64)
    inputs = torch.randn(4, 3, dtype=torch.float64)
    kernel = empirical_ntk(wide, inputs, sketch="auto")
    exact = empirical_ntk(wide, inputs)  # of one linear layer every direction gives the same kernel
    assert kernel.outputs == 1025
    assert torch.allclose(kernel.matrix, exact.matrix, rtol=1e-10)
    assert 0 < empirical_ntk(torch.nn.Sequential(wide, torch.nn.Tanh()), inputs, sketch="auto").error < 0.2
    assert empirical_ntk(wide, inputs, outputs="pseudo", sketch="auto").mode == "pseudo"


def test_directions_among_very_many_outputs_are_orthogonal() -> None:
    """A square frame of a million outputs would take 8 terabytes."""
    first, second = directions(1_000_000, 4, seed=0)
    frame = torch.cat([first * (2 / 1e6) ** 0.5, second * (2 / 1e6) ** 0.5])
    assert torch.allclose(frame @ frame.T, torch.eye(4, dtype=torch.float64), atol=1e-12)


@pytest.mark.parametrize("count", [1, 7])
def test_a_sketch_outside_2_to_C_is_refused(count: int) -> None:
    model, x = mlp()
    with pytest.raises(InputError, match=f"sketch={count}"):
        empirical_ntk(model, x, sketch=count)


def test_a_kernel_that_cannot_fit_is_refused_with_what_to_do() -> None:
    model, x = mlp()
    with pytest.raises(MeasurementError, match="ntk_operator"):
        empirical_ntk(model, x, outputs="full", memory=20_000)


def test_the_plan_prints_every_parameter_with_its_cost() -> None:
    model, x = mlp()
    text = str(empirical_ntk(model, x).plan)
    assert all(name in text for name, _ in model.named_parameters())
    assert "multiply-adds" in text
