"""Conjugate kernels, input-output Jacobians and alignments against their definitions."""

import math

import pytest
import torch
from torch import nn

from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.operators import (
    class_centred,
    conjugate_kernel,
    empirical_ntk,
    input_output_jacobian,
    kernel_target_alignment,
    target_coefficients,
)


def small() -> tuple[nn.Module, torch.Tensor]:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Conv2d(2, 3, 3), nn.ReLU(inplace=True), nn.Flatten(), nn.Linear(12, 4)).double()
    return model, torch.randn(7, 2, 4, 4, dtype=torch.float64)


def test_features_are_the_activations_of_each_layer_as_it_returned_them() -> None:
    model, x = small()
    found = conjugate_kernel(model, x, chunk=3)
    before = model[0](x).flatten(1)
    assert torch.allclose(found["0"].matrix, before)
    assert torch.allclose(found["1"].matrix, before.relu())
    assert torch.allclose(found["3"].kernel, model(x) @ model(x).T / 4)
    assert list(found) == ["0", "1", "2", "3", "inputs"]


def test_features_come_from_one_forward_pass_of_each_chunk() -> None:
    model, x = small()
    calls: list[int] = []
    model.register_forward_hook(lambda module, args, output: calls.append(len(output)))
    conjugate_kernel(model, x, chunk=3)
    assert calls == [3, 3, 1]


def test_covariances_are_those_of_channels_over_samples_and_positions() -> None:
    model, x = small()
    found = conjugate_kernel(model, x, layers="0", chunk=2)
    pixels = model[0](x).movedim(1, -1).flatten(0, -2)
    assert torch.allclose(found["0"].covariance, torch.cov(pixels.T, correction=0))
    assert torch.allclose(found["inputs"].covariance, torch.cov(x.movedim(1, -1).flatten(0, -2).T, correction=0))
    assert found["0"].count == 7 * 4


class Wavering(nn.Module):
    """Gives what it is given at its first call, and twice that later."""

    calls = 0

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        self.calls += 1
        return x if self.calls == 1 else 2 * x


def test_layers_that_give_what_they_are_given_share_features_as_long_as_they_do() -> None:
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(5, 4), nn.Dropout(0.5), nn.Identity(), nn.Flatten(), nn.Linear(4, 4), Wavering())
    model = model.double().eval()
    found = conjugate_kernel(model, torch.randn(7, 5, dtype=torch.float64), chunk=3)
    assert list(found) == ["0", "1", "2", "3", "4", "5", "inputs"]
    assert [found[name].name for name in found] == list(found)
    for name in "123":
        assert found[name].matrix is found["0"].matrix
        assert found[name].covariance is found["0"].covariance
    before = found["4"].matrix
    after = torch.cat([before[:3], 2 * before[3:]])
    assert torch.equal(found["5"].matrix, after)
    assert torch.allclose(found["5"].covariance, torch.cov(after.T, correction=0))
    assert torch.allclose(found["4"].covariance, torch.cov(before.T, correction=0))


def test_the_channel_axis_is_that_of_the_layer_also_for_signals_and_images_with_channels_last() -> None:
    torch.manual_seed(0)
    signal = nn.Sequential(nn.Conv1d(2, 3, 2), nn.ReLU(), nn.Flatten(), nn.Linear(12, 2)).double()
    x = torch.randn(6, 2, 5, dtype=torch.float64)
    found = conjugate_kernel(signal, x)
    after = signal[:2](x).transpose(1, 2).flatten(0, 1)
    assert torch.allclose(found["1"].covariance, torch.cov(after.T, correction=0))
    assert torch.allclose(found["inputs"].covariance, torch.cov(x.transpose(1, 2).flatten(0, 1).T, correction=0))
    images = torch.randn(4, 3, 3, 5, dtype=torch.float64)
    assert conjugate_kernel(nn.Sequential(nn.LayerNorm(5).double()), images)["0"].covariance.shape == (5, 5)


def test_a_model_that_is_one_layer_is_called_model() -> None:
    torch.manual_seed(0)
    linear, x = nn.Linear(4, 3), torch.randn(5, 4)
    found = conjugate_kernel(linear, x)
    assert list(found) == ["model", "inputs"]
    assert torch.allclose(found["model"].kernel, linear(x) @ linear(x).T / 3)


def test_activations_that_do_not_fit_or_are_nan_are_refused_by_layer() -> None:
    model, x = small()
    with pytest.raises(MeasurementError, match="0: the activations held"):
        conjugate_kernel(model, x, memory=1000)
    with pytest.raises(InputError, match="no layer has such a name"):
        conjugate_kernel(model, x, layers="encoder.*")
    with torch.no_grad():
        model[3].weight[0, 0] = math.nan
    with pytest.raises(MeasurementError, match="3: activations of sample 0"):
        conjugate_kernel(model, x)


def test_a_linear_map_has_its_own_singular_values_at_every_sample() -> None:
    torch.manual_seed(0)
    linear = nn.Linear(6, 4).double()
    found = input_output_jacobian(linear, torch.randn(5, 6, dtype=torch.float64), chunk=2)
    wanted = torch.linalg.svdvals(linear.weight.detach())
    assert torch.allclose(found.singular_values, wanted.expand(5, 4), rtol=1e-10)
    assert found.shape == (4, 6)
    assert len(found.pooled) == 20


def test_singular_values_equal_those_of_the_dense_jacobian() -> None:
    model, x = small()
    dense = torch.func.vmap(torch.func.jacrev(lambda sample: model(sample[None])[0]))(x).flatten(2)
    assert torch.allclose(input_output_jacobian(model, x).singular_values, torch.linalg.svdvals(dense), rtol=1e-9)


def orthogonal_network(gain: float) -> nn.Module:
    """Ten orthogonal layers of width 16 with tanh far from saturation: an isometry times gain^10."""
    layers = []
    for _ in range(10):
        layers += [nn.Linear(16, 16, bias=False), nn.Tanh()]
        nn.init.orthogonal_(layers[-2].weight, gain)
    return nn.Sequential(*layers).double()


def test_orthogonal_layers_are_an_isometry_and_gaussian_ones_are_not() -> None:
    torch.manual_seed(0)
    x = 1e-6 * torch.randn(4, 16, dtype=torch.float64)
    squares = input_output_jacobian(orthogonal_network(1.0), x).pooled
    assert torch.allclose(squares, torch.ones(64, dtype=torch.float64), atol=1e-6)
    model = orthogonal_network(1.0)
    for layer in model[::2]:
        nn.init.normal_(layer.weight, std=0.25)
    spread = input_output_jacobian(model, x).pooled
    assert spread[-1] / spread[0] > 1e6


def test_each_pair_of_positions_has_the_singular_values_of_its_block() -> None:
    torch.manual_seed(0)
    layer = nn.TransformerEncoderLayer(4, 2, 8, dropout=0.0, batch_first=True).double().eval()
    x = torch.randn(2, 3, 4, dtype=torch.float64)
    found = input_output_jacobian(layer, x, positions=True)
    dense = [torch.func.jacrev(lambda one: layer(one[None])[0])(sample) for sample in x]  # (T_out, C, T_in, d) each
    wanted = torch.linalg.svdvals(torch.stack(dense).detach().transpose(2, 3))
    assert found.shape == (4, 4)
    assert torch.allclose(found.singular_values, wanted, rtol=1e-9, atol=1e-14)
    assert (found.singular_values[:, :, :, 3] == 0).all()  # LayerNorm removes the mean: exactly zero, not rounding


def test_position_pairs_of_a_causal_model_vanish_above_the_diagonal() -> None:
    torch.manual_seed(0)
    lstm = nn.LSTM(3, 4, batch_first=True).double()
    found = input_output_jacobian(lstm, torch.randn(2, 5, 3, dtype=torch.float64), positions=True)
    largest = found.singular_values[..., 0]
    assert found.singular_values.shape == (2, 5, 5, 3)
    assert (largest.triu(1) == 0).all()
    assert (largest.diagonal(dim1=1, dim2=2) > 0).all()


def test_tokens_and_independent_outputs_have_no_input_jacobian() -> None:
    embedding = nn.Embedding(5, 3)
    with pytest.raises(MeasurementError, match="inputs: not of floating point, .*pass embeddings"):
        input_output_jacobian(embedding, torch.zeros(2, 4, dtype=torch.long))

    class Constant(nn.Module):
        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.ones(len(x), 2)

    with pytest.raises(MeasurementError, match="does not depend on this input"):
        input_output_jacobian(Constant(), torch.randn(3, 2))


def test_a_class_centred_kernel_forgets_the_class_means() -> None:
    torch.manual_seed(0)
    labels = torch.tensor([0, 1, 2, 0, 1, 2, 0, 0])
    features = torch.randn(8, 20, dtype=torch.float64)
    means = torch.stack([features[labels == c].mean(0) for c in range(3)])
    within = features - means[labels]
    assert torch.allclose(class_centred(features @ features.T, labels), within @ within.T)
    shifted = features + 10 * torch.randn(3, 20, dtype=torch.float64)[labels]
    assert torch.allclose(class_centred(shifted @ shifted.T, labels), within @ within.T)


def test_class_centring_acts_on_each_output_of_a_full_kernel() -> None:
    torch.manual_seed(0)
    labels, model = torch.tensor([0, 1, 0, 1, 1]), nn.Linear(3, 2).double()
    x = torch.randn(5, 3, dtype=torch.float64)
    full = class_centred(empirical_ntk(model, x, outputs="full").matrix, labels, outputs=2)
    trace = class_centred(empirical_ntk(model, x).matrix, labels)
    assert torch.allclose(full.view(5, 2, 5, 2).diagonal(dim1=1, dim2=3).sum(-1), trace)


def test_alignment_is_one_for_the_targets_own_kernel_and_small_for_noise() -> None:
    torch.manual_seed(0)
    labels = torch.arange(60) % 3
    y = nn.functional.one_hot(labels).double()
    noise = torch.randn(60, 500, dtype=torch.float64)
    assert kernel_target_alignment(y @ y.T + 4.0, labels) == pytest.approx(1.0)
    assert abs(kernel_target_alignment(noise @ noise.T, labels)) < 0.3
    assert kernel_target_alignment(torch.ones(60, 60), y, centred=False) > 0.5


def test_target_coefficients_give_back_the_targets_and_their_quadratic_form() -> None:
    torch.manual_seed(0)
    phi, y = torch.randn(9, 20, dtype=torch.float64), torch.randn(9, 2, dtype=torch.float64)
    kernel = phi @ phi.T
    found = target_coefficients(kernel, y)
    wanted = (y.T @ torch.linalg.solve(kernel / 9, y)).trace()
    assert torch.allclose((found.coefficients.square() / found.values[:, None]).sum(), wanted)
    assert float(found.power.sum()) == pytest.approx(1.0)
    assert (found.values.diff() <= 0).all()


def test_labels_that_do_not_fit_the_kernel_are_refused() -> None:
    with pytest.raises(InputError, match="disagree"):
        class_centred(torch.eye(4), torch.zeros(3, dtype=torch.long))
    with pytest.raises(InputError, match="trace kernel"):
        kernel_target_alignment(torch.eye(4), torch.zeros(2, dtype=torch.long))
