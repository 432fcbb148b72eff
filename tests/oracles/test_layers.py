"""Every layer of real architectures: alpha, xmin and KS distance are powerlaw's on numpy's singular values."""

import numpy as np
import pytest
import torch
from torch import nn

from htmu_diag.fits import fit_power_law
from htmu_diag.fits.cross_check import powerlaw_fit
from htmu_diag.matrices import matrices
from htmu_diag.solvers import matrix_spectrum


def bert() -> nn.Module:
    transformers = pytest.importorskip("transformers")
    config = transformers.BertConfig(
        hidden_size=64, num_hidden_layers=1, num_attention_heads=4, intermediate_size=96, vocab_size=300
    )
    return transformers.BertModel(config)


def convolutions() -> nn.Module:
    return nn.Sequential(nn.Conv2d(16, 48, 3), nn.ConvTranspose2d(48, 40, 3), nn.Conv1d(40, 64, 5, groups=2))


def recurrent() -> nn.Module:
    return nn.ModuleList([nn.Embedding(200, 48), nn.LSTM(48, 60), nn.MultiheadAttention(60, 4)])


@pytest.mark.parametrize("build", [bert, convolutions, recurrent])
def test_alpha_xmin_and_distance_of_every_layer_equal_powerlaws_on_numpys_svd(build) -> None:
    """Weights are Student's t with two degrees of freedom: exponents near 2, where powerlaw 2 is exact as well."""
    model, rng, compared = build(), np.random.default_rng(0), 0
    for parameter in model.parameters():
        parameter.data = torch.tensor(rng.standard_t(2, tuple(parameter.shape)), dtype=torch.float32)
    for matrix in matrices(model, min_side=20):
        dense = matrix.read().double().numpy()
        singular = np.linalg.svd(dense, compute_uv=False)
        theirs = powerlaw_fit(np.sort(singular**2 / max(dense.shape)))
        ours = fit_power_law(matrix_spectrum(matrix).values)
        if 1.5 < theirs.power_law.alpha <= 3:
            compared += 1
            found = (ours.alpha, ours.xmin, ours.ks_distance)
            expected = (theirs.power_law.alpha, theirs.xmin, theirs.power_law.D)
            np.testing.assert_allclose(found, expected, rtol=1e-6, err_msg=matrix.name)
    assert compared >= len(matrices(model, min_side=20)) - 2
