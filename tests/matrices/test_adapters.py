"""Low-rank adapters: the change that they add to the weight, with its scale where it is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from htmu_diag.analysis import Options, diagnose
from htmu_diag.matrices import Inventory, checkpoint_matrices, matrices
from htmu_diag.solvers import UNIT, exact_spectrum, matrix_spectrum, product_spectrum
from htmu_diag.spectrum import Kind, Source


def reason(inventory: Inventory, name: str) -> str:
    return next(skip.reason for skip in inventory.skipped if skip.name == name)


class Adapted(nn.Module):
    """As peft wraps a layer: the frozen layer beside pairs of factors, one pair for each adapter."""

    def __init__(self, base: nn.Module, a: dict[str, nn.Module], b: dict[str, nn.Module], **scaling: float) -> None:
        super().__init__()
        self.base_layer, self.lora_A, self.lora_B = base, nn.ModuleDict(a), nn.ModuleDict(b)
        if scaling:
            self.scaling = scaling


def linear(*names: str, **scaling: float) -> Adapted:
    torch.manual_seed(0)
    a = {name: nn.Linear(10, 2, bias=False) for name in names}
    b = {name: nn.Linear(2, 6, bias=False) for name in names}
    return Adapted(nn.Linear(10, 6), a, b, **scaling)


def test_the_product_is_what_the_adapter_adds_to_the_output() -> None:
    layer, x = linear("default", default=3.0), torch.randn(4, 10)
    delta = matrices(layer)["lora_delta.default"]
    added = 3.0 * layer.lora_B["default"](layer.lora_A["default"](x))
    torch.testing.assert_close(x @ delta.read().T, added.detach())
    assert (delta.shape, delta.role) == ((6, 10), "lora")


def test_every_adapter_has_its_own_product_and_scale() -> None:
    inventory = matrices(linear("en", "fr", en=1.0, fr=-2.0))
    names = [m.name for m in inventory if m.role == "lora"]
    assert names == ["lora_delta.en", "lora_delta.fr"]
    b, a = (inventory[f"lora_{part}.fr.weight"].read() for part in "BA")
    torch.testing.assert_close(inventory["lora_delta.fr"].read(), -2.0 * b @ a)


def test_a_product_without_a_known_scale_says_so() -> None:
    inventory = matrices(linear("default"))
    assert inventory["lora_delta.default"].role == "lora unscaled"
    assert [m.role for m in inventory] == ["linear", "lora A", "lora B", "lora unscaled"]


def test_the_factors_give_the_spectrum_of_the_product() -> None:
    delta = matrices(linear("default", default=0.5))["lora_delta.default"]
    source = Source(Kind.WEIGHTS, delta.name, delta.shape, unit=UNIT)
    assert delta.factors is not None
    by_factors = product_spectrum(*delta.factors(), source)
    np.testing.assert_allclose(by_factors.values, exact_spectrum(delta.read(), source).values[-2:], rtol=1e-5)


def test_a_product_is_judged_on_its_own_rank() -> None:
    """With orthonormal columns in B the product has the spectrum of A, r x in: noise of that shape, not a collapse."""
    torch.manual_seed(0)
    layer = Adapted(
        nn.Linear(400, 200),
        {"default": nn.Linear(400, 64, bias=False)},
        {"default": nn.utils.parametrizations.orthogonal(nn.Linear(64, 200, bias=False))},
        default=1.0,
    )
    torch.nn.utils.parametrize.remove_parametrizations(layer.lora_B["default"], "weight")
    nn.init.normal_(layer.lora_A["default"].weight, std=0.1)
    spectrum = matrix_spectrum(matrices(layer)["lora_delta.default"])
    assert (spectrum.dimension, spectrum.source.shape) == (64, (64, 400))
    noise = matrix_spectrum(matrices(layer)["lora_A.default.weight"])
    np.testing.assert_allclose(spectrum.values, noise.values, rtol=1e-5)
    assert diagnose(spectrum, Options(bootstrap=0)).verdict == "random-like"


def test_the_merged_weight_is_what_the_layer_multiplies_with() -> None:
    layer, x = linear("default", default=3.0), torch.randn(4, 10)
    layer.base_layer.weight.requires_grad_(False)
    merged = matrices(layer)["lora_merged.default"]
    found = layer.base_layer(x) - layer.base_layer.bias + 3.0 * layer.lora_B["default"](layer.lora_A["default"](x))
    torch.testing.assert_close(x @ merged.read().T, found.detach())
    assert (merged.shape, merged.role) == ((6, 10), "lora merged")


def test_a_merged_kernel_lies_as_the_kernel_does_and_a_merged_embedding_as_the_table() -> None:
    conv = Adapted(
        nn.Conv2d(3, 6, 2), {"x": nn.Conv2d(3, 2, 2, bias=False)}, {"x": nn.Conv2d(2, 6, 1, bias=False)}, x=0.5
    )
    inventory, image = matrices(conv), torch.randn(1, 3, 2, 2)
    wanted = (
        conv.base_layer(image) - conv.base_layer.bias[:, None, None] + 0.5 * conv.lora_B["x"](conv.lora_A["x"](image))
    )
    merged = inventory["lora_merged.x"].read()
    torch.testing.assert_close(merged @ image.flatten(), wanted.flatten().detach())
    parts = matrices(conv, conv="positions")
    assert [m.shape for m in parts if m.parameter == "lora_merged.x"] == [(6, 3)] * 4


def test_there_is_no_merged_weight_where_it_would_be_wrong() -> None:
    unscaled, held, dora = linear("default"), linear("default", default=1.0), linear("default", default=1.0)
    held.merged = True
    dora.lora_magnitude_vector = nn.ParameterDict({"default": torch.ones(6)})
    for layer in (unscaled, held, dora):
        assert "lora_merged.default" not in matrices(layer).names
    assert "DoRA" in reason(matrices(dora), "lora_merged.default")


def test_files_of_a_whole_model_have_the_merged_weight_too(tmp_path: Path) -> None:
    layer = linear("default", default=2.0)
    save_file(
        {f"q.{name}": value.contiguous() for name, value in layer.state_dict().items()}, tmp_path / "model.safetensors"
    )
    (tmp_path / "adapter_config.json").write_text(json.dumps({"lora_alpha": 4}))
    stored = checkpoint_matrices(tmp_path / "model.safetensors")
    torch.testing.assert_close(stored["q.lora_merged.default"].read(), matrices(layer)["lora_merged.default"].read())


def test_an_embeddings_product_lies_as_the_embedding_does() -> None:
    layer = nn.Module()
    layer.base_layer = nn.Embedding(20, 6)
    layer.lora_embedding_A = nn.ParameterDict({"default": torch.randn(2, 20)})
    layer.lora_embedding_B = nn.ParameterDict({"default": torch.randn(6, 2)})
    inventory = matrices(layer)
    delta = inventory["lora_delta.default"]
    assert delta.shape == inventory["base_layer.weight"].shape
    b, a = layer.lora_embedding_B["default"], layer.lora_embedding_A["default"]
    torch.testing.assert_close(delta.read(), (b @ a).T.detach())


def test_a_convolutions_product_is_the_unfolded_change() -> None:
    torch.manual_seed(0)
    a, b = nn.Conv2d(3, 2, 3, bias=False), nn.Conv2d(2, 6, 1, bias=False)
    inventory = matrices(Adapted(nn.Conv2d(3, 6, 3), {"default": a}, {"default": b}, default=1.0))
    x = torch.randn(1, 3, 3, 3)
    torch.testing.assert_close(inventory["lora_delta.default"].read() @ x.flatten(), b(a(x)).flatten().detach())


def test_factors_that_do_not_multiply_and_shared_pairs_of_experts_have_a_reason() -> None:
    pair = Adapted(nn.Conv2d(3, 6, 3), {"x": nn.Conv2d(3, 2, 3)}, {"x": nn.Conv2d(2, 6, 2)})
    assert "do not multiply" in reason(matrices(pair), "lora_delta.x")
    net = nn.Module()
    net.experts = linear("default")
    assert "which ranks belong to which expert" in reason(matrices(net), "experts.lora_delta.default")


def test_an_adapter_of_rank_0_has_no_product() -> None:
    layer = linear("default", default=1.0)
    layer.lora_A["default"].weight = nn.Parameter(torch.empty(0, 10))
    layer.lora_B["default"].weight = nn.Parameter(torch.empty(6, 0))
    found = matrices(layer)
    assert found.names == ("base_layer.weight",)
    assert "rank is 0" in reason(found, "lora_delta.default")


def saved(folder: Path, **extra: torch.Tensor) -> dict[str, torch.Tensor]:
    torch.manual_seed(1)
    state = {"q.lora_A.weight": torch.randn(4, 10), "q.lora_B.weight": torch.randn(6, 4)}
    save_file({**state, **extra}, folder / "adapter_model.safetensors")
    return state


@pytest.mark.parametrize(
    ("config", "scale"),
    [
        ({"lora_alpha": 8}, 2.0),
        ({"lora_alpha": 8, "use_rslora": True}, 4.0),
        ({"lora_alpha": 8, "alpha_pattern": {"q": 2}}, 0.5),
    ],
)
def test_scales_of_a_checkpoint_come_from_the_config_beside_it(
    config: dict[str, object], scale: float, tmp_path: Path
) -> None:
    state = saved(tmp_path)
    (tmp_path / "adapter_config.json").write_text(json.dumps(config))
    delta = checkpoint_matrices(tmp_path)["q.lora_delta"]
    assert delta.role == "lora"
    torch.testing.assert_close(delta.read(), scale * state["q.lora_B.weight"] @ state["q.lora_A.weight"])


def test_scales_of_image_models_lie_beside_the_factors(tmp_path: Path) -> None:
    torch.manual_seed(1)
    up, down = torch.randn(6, 4, 1, 1), torch.randn(4, 3, 3, 3)
    state = {"c.lora_up.weight": up, "c.lora_down.weight": down, "c.alpha": torch.tensor(2.0)}
    save_file(state, tmp_path / "lora.safetensors")
    delta = checkpoint_matrices(tmp_path)["c.lora_delta"]
    torch.testing.assert_close(delta.read(), 0.5 * up.flatten(1) @ down.flatten(1))


def test_a_folder_that_peft_and_its_trainer_write_is_read(tmp_path: Path) -> None:
    peft = pytest.importorskip("peft")
    model = nn.Sequential(nn.Linear(12, 8), nn.ReLU(), nn.Linear(8, 5))
    adapted = peft.get_peft_model(model, peft.LoraConfig(r=2, lora_alpha=6, target_modules=["0"]))
    layer = adapted.base_model.model[0]
    nn.init.normal_(layer.lora_B["default"].weight)
    adapted.save_pretrained(tmp_path)
    torch.save({"state": {0: {"exp_avg": torch.randn(4, 3)}}, "param_groups": []}, tmp_path / "optimizer.pt")
    torch.save({"lr": 0.1}, tmp_path / "scheduler.pt")
    (tmp_path / "trainer_state.json").write_text("{}")
    found = checkpoint_matrices(tmp_path)
    (product,) = [matrix for matrix in found if "lora_delta" in matrix.name]
    assert len(found) == 3
    torch.testing.assert_close(product.read(), layer.get_delta_weight("default").detach())
