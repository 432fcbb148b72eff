"""Every layer of a real architecture against powerlaw on numpy's SVD of weights that are walked independently."""

import warnings

import numpy as np
import pytest
import torch

from htmu_diag.analysis import Options
from htmu_diag.offline import analyze
from tests.later import Later

pytestmark = pytest.mark.xdist_group("transformers")
transformers = Later("transformers")
SIZES = {"hidden_size": 64, "num_hidden_layers": 2, "num_attention_heads": 4, "intermediate_size": 128}


@pytest.fixture(scope="module")
def bert() -> torch.nn.Module:
    """BERT from its configuration; half of its layers with heavy tails."""
    torch.manual_seed(0)
    model = transformers.BertModel(transformers.BertConfig(**SIZES, vocab_size=300, max_position_embeddings=64))
    with torch.no_grad():
        for name, parameter in model.named_parameters():
            if parameter.ndim == 2 and ".0." in name:
                parameter.copy_(0.02 * torch.distributions.StudentT(torch.tensor(2.0)).sample(parameter.shape))
    return model


def test_alpha_xmin_and_distance_of_every_layer_equal_powerlaw_s(bert: torch.nn.Module) -> None:
    powerlaw = pytest.importorskip("powerlaw")
    found = analyze(bert, options=Options(tail_only=True))
    walked = {name: p.detach().double().numpy() for name, p in bert.named_parameters() if p.ndim == 2}
    assert [layer.name for layer in found.layers] == list(walked)
    compared = 0
    for name, weight in walked.items():
        values = np.linalg.svd(weight, compute_uv=False) ** 2 / max(weight.shape)
        if values.size < 10:
            continue
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            # 2.0 keeps alpha in [0, 3] unless a wider range is passed
            theirs = powerlaw.Fit(values, verbose=False, parameter_ranges={"alpha": [1, 200]})
            alpha, distance = theirs.power_law.alpha, theirs.power_law.D
        ours = found[name].tail
        assert ours.alpha == pytest.approx(alpha, abs=1e-6)
        assert ours.xmin == pytest.approx(theirs.xmin, rel=1e-6)
        assert ours.ks_distance == pytest.approx(distance, abs=1e-6)
        compared += 1
    assert compared == 15


def test_the_eigenvalues_are_numpy_s_squared_singular_values(bert: torch.nn.Module) -> None:
    found = analyze(bert, options=Options(tail_only=True))
    for name, parameter in bert.named_parameters():
        if parameter.ndim == 2:
            expected = np.linalg.svd(parameter.detach().double().numpy(), compute_uv=False)[::-1] ** 2
            values = found[name].spectrum.values * max(parameter.shape)
            np.testing.assert_allclose(values, expected, atol=1e-12 * expected.max())


def test_a_transformers_folder_gives_the_rows_of_the_module(bert: torch.nn.Module, tmp_path: object) -> None:
    bert.save_pretrained(tmp_path)  # type: ignore[operator]
    options = Options(tail_only=True)
    live = {layer.name: layer.row() for layer in analyze(bert, options=options).layers}
    stored = {layer.name: layer.row() for layer in analyze(str(tmp_path), options=options).layers}
    assert {name: row["alpha"] for name, row in stored.items() if row["dimension"] > 9} == {
        name: row["alpha"] for name, row in live.items() if row["dimension"] > 9
    }
    assert stored.keys() == live.keys()
    split = analyze(str(tmp_path), heads=True, include="*query*", options=options)
    assert [layer.shape for layer in split.layers] == [(16, 64)] * 8  # the number of heads is in config.json
