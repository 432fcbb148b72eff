"""Low-rank adapters: the change that they add to the weight, with its scale where it is told."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from htmu_diag.matrices import Inventory, checkpoint_matrices, matrices
from htmu_diag.solvers import UNIT, exact_spectrum, product_spectrum
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
    np.testing.assert_allclose(by_factors.values[-2:], exact_spectrum(delta.read(), source).values[-2:], rtol=1e-5)
    assert by_factors.values[:4].tolist() == [0.0] * 4


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
