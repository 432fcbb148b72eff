"""Kernels and curvature on the device agree with the host's, and are measured in full single precision."""

from typing import Any

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional as F

from htmu_diag.operators import empirical_ntk
from htmu_diag.probes import CurvatureProbe, Probe, StepContext, quiet, registry
from htmu_diag.spectrum import Spectrum
from tests.gpu.marks import CUDA, GPU

pytestmark = GPU


def convolutional() -> nn.Module:
    first = (nn.Conv2d(1, 8, 3, padding=1), nn.BatchNorm2d(8), nn.Tanh(), nn.Conv2d(8, 8, 3), nn.Tanh())
    return nn.Sequential(nn.Unflatten(1, (1, 8, 8)), *first, nn.Flatten(), nn.Linear(8 * 36, 4))


def attentive() -> nn.Module:
    layer = nn.TransformerEncoderLayer(32, 4, 64, dropout=0.0, batch_first=True)
    return nn.Sequential(nn.Unflatten(1, (2, 32)), layer, nn.Flatten(), nn.Linear(64, 4))


def recurrent() -> nn.Module:
    class Last(nn.Module):
        def forward(self, found: Any) -> torch.Tensor:
            return found[0][:, -1]  # type: ignore[no-any-return]

    return nn.Sequential(nn.Unflatten(1, (4, 16)), nn.LSTM(16, 12, batch_first=True), Last(), nn.Linear(12, 4))


MODELS = {"convolutional": convolutional, "attentive": attentive, "recurrent": recurrent}


def context(model: str, device: Any) -> StepContext:
    torch.manual_seed(0)
    made = MODELS[model]()
    inputs, targets = torch.randn(48, 64), torch.randint(4, (48,))
    batch = (inputs.to(device), targets.to(device))
    return StepContext(0, made.to(device), batch=batch, loss_fn=F.cross_entropy, seed=1)


def measured(probe: Probe, here: StepContext) -> list[Spectrum]:
    with quiet(*here.modules):
        return list(probe.measure(here))


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("probe", ["conjugate_kernel", "ntk", "jacobian"])
def test_kernels_of_the_device_are_those_of_the_host(probe: str, model: str) -> None:
    host, device = (measured(registry[probe](), context(model, where)) for where in ("cpu", CUDA))
    assert [spectrum.source for spectrum in device] == [spectrum.source for spectrum in host]
    for one, other in zip(host, device, strict=True):
        assert np.abs(one.values - other.values).max() <= 2e-5 * one.values[-1]


@pytest.mark.parametrize("model", MODELS)
@pytest.mark.parametrize("operator", ["hessian", "ggn", "fisher"])
def test_densities_of_the_device_are_those_of_the_host(operator: str, model: str) -> None:
    probe = CurvatureProbe(operator, steps=24, outliers=2, layers=True)
    host, device = (measured(probe, context(model, where)) for where in ("cpu", CUDA))
    assert [spectrum.source for spectrum in device] == [spectrum.source for spectrum in host]
    for one, other in zip(host, device, strict=True):
        scale = max(np.abs(one.values).max(), 1e-6)
        assert one.moment(1) == pytest.approx(other.moment(1), abs=1e-3 * scale)
        assert np.abs(one.values).max() == pytest.approx(np.abs(other.values).max(), rel=1e-2)


def test_the_largest_curvature_is_not_that_of_tf32() -> None:
    """Convolutions use TF32 by default: measured with and without, the numbers are the same."""
    probe, found = CurvatureProbe("hessian", steps=0, outliers=3), []
    for allowed in (True, False):
        torch.backends.cudnn.allow_tf32 = allowed
        found.append(measured(probe, context("convolutional", CUDA))[0].values)
        assert torch.backends.cudnn.allow_tf32 == allowed
    torch.backends.cudnn.allow_tf32 = True
    assert np.allclose(found[0], found[1], rtol=1e-5)


def test_a_kernel_in_double_precision_is_exact() -> None:
    here = context("convolutional", CUDA)
    model, inputs = here.model.double().eval(), here.batch[0][:10].double()  # type: ignore[index]
    kernel = empirical_ntk(model, inputs).matrix
    rows = []
    for sample in inputs:
        outputs = model(sample[None])[0]
        gradients = [torch.autograd.grad(o, list(model.parameters()), retain_graph=True) for o in outputs]
        rows.append(torch.stack([torch.cat([g.reshape(-1) for g in each]) for each in gradients]))
    jacobian = torch.stack(rows)  # (n, C, P)
    expected = torch.einsum("icp,jcp->ij", jacobian, jacobian)
    assert torch.allclose(kernel.to(expected) * expected.trace() / kernel.trace().to(expected), expected, rtol=1e-9)
