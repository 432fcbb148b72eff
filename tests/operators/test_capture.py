"""Gradients with respect to the outputs of layers: rows are samples, then cotangents."""

import pytest
import torch
from torch import nn

from htmu_diag.operators.ntk.capture import captured, gradients


@pytest.mark.parametrize("batched", [False, True])
def test_gradients_of_a_layers_output_are_sample_by_cotangent(batched: bool) -> None:
    """The last layer's gradient is the cotangent itself, the first one's is W^T times it; an unused layer's is zero."""
    torch.manual_seed(0)
    first, last, unused = nn.Linear(4, 6), nn.Linear(6, 2), nn.Linear(4, 3)
    inputs, cotangents = torch.randn(3, 4), torch.randn(5, 2)
    with captured({"first": first, "last": last, "unused": unused}) as calls:
        unused(inputs)
        outputs = last(first(inputs))
    of = dict(zip((call.name for call in calls), gradients(outputs, cotangents, calls, batched=batched), strict=True))
    torch.testing.assert_close(of["last"], cotangents.expand(3, 5, 2))
    torch.testing.assert_close(of["first"], (cotangents @ last.weight).detach().expand(3, 5, 6))
    assert of["unused"].shape == (3, 5, 3)
    assert not of["unused"].any()
