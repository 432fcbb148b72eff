"""Experts in one tensor are cut where a router beside them says how many there are; ordinary layers never are."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from htmu_diag.matrices import Inventory, checkpoint_matrices, matrices

E, D, H = 4, 64, 24  # experts, width, rows of one
SHAPES = {
    "rows": (E * H, D),  # DBRX
    "back": (E * D, H),
    "across": (D, E * H),  # Megatron's weight1
    "own dimension": (E, H, D),
}
ROUTERS = ["blocks.0.ffn.router.layer.weight", "blocks.0.ffn.gate.weight", "blocks.0.ffn.gate.wg.weight"]


def read(state: dict[str, torch.Tensor], folder: Path) -> Inventory:
    save_file(state, folder / "m.safetensors")
    return checkpoint_matrices(folder / "m.safetensors")


@pytest.mark.parametrize("transposed", [False, True])
@pytest.mark.parametrize("router", ROUTERS)
@pytest.mark.parametrize("kind", SHAPES)
@pytest.mark.parametrize("last", ["mlp.w1", "weight1", "w1.weight"])
def test_named_experts_are_cut_at_the_number_of_their_router(
    kind: str, router: str, last: str, transposed: bool, tmp_path: Path
) -> None:
    name, shape = f"blocks.0.ffn.experts.{last}", SHAPES[kind]
    whole, routes = torch.randn(shape), torch.randn((D, E) if transposed else (E, D))
    found = read({name: whole, router: routes, f"blocks.1.{last}": whole + 1}, tmp_path)
    experts = [matrix for matrix in found if matrix.role == "expert"]
    assert [matrix.name for matrix in experts] == [f"{name}.expert{index}" for index in range(E)]
    dim = 1 if kind == "across" else 0
    for expert, part in zip(experts, whole.chunk(E, dim), strict=True):
        torch.testing.assert_close(expert.read(), part.reshape(expert.shape), rtol=0, atol=0)
    assert router in found.names


def test_a_stack_or_biases_of_the_same_experts_say_how_many(tmp_path: Path) -> None:
    state = {"moe.experts.w1": torch.randn(E * H, D), "moe.experts.w2": torch.randn(E, D, H)}
    assert sum(matrix.role == "expert" for matrix in read(state, tmp_path)) == 2 * E
    state = {"moe.experts.w1": torch.randn(E * H, D), "moe.experts.w1_bias": torch.randn(E, H)}
    assert sum(matrix.role == "expert" for matrix in read(state, tmp_path)) == E


@pytest.mark.parametrize(
    "shapes",
    [
        {"w1": (E * H, D), "v1": (E * H, D), "w2": (E * H, D)},
        {"w1": (E * H, D), "w2": (E * D, H)},
        {"w1": (E, H, D), "w2": (E, D, H)},
        {"up.weight": (E, H, D), "down.weight": (E, D, H)},
    ],
)
def test_pairs_beside_a_router_are_experts_without_being_called_so(
    shapes: dict[str, tuple[int, ...]], tmp_path: Path
) -> None:
    state = {f"h.3.moe.{name}": torch.randn(shape) for name, shape in shapes.items()}
    found = read({**state, "h.3.moe.router.weight": torch.randn(E, D)}, tmp_path)
    assert sum(matrix.role == "expert" for matrix in found) == E * len(shapes)


ORDINARY = {
    "a dense pair": {"moe.w1": (E * H, D), "moe.w2": (D, E * H), "moe.router.weight": (E, D)},
    "linear layers": {"moe.up.weight": (E * H, D), "moe.up2.weight": (E * H, D), "moe.router.weight": (E, D)},
    "a shared expert": {"moe.shared_expert.w1": (E * H, D), "moe.router.weight": (E, D)},
    "a layer before the experts": {"moe.pre_expert_proj.weight": (E * H, D), "moe.gate.weight": (E, D)},
    "experts apart": {f"moe.experts.{i}.w1": (E * H, D) for i in range(E)} | {"moe.router.weight": (E, D)},
    "a gate as wide as the layer": {"glu.gate.weight": (D, D), "glu.a": (4 * D, D), "glu.b": (4 * D, D)},
    "a gate of each head": {"attn.gate.weight": (E, D), "attn.q": (D, D), "attn.k": (H * E, D), "attn.v": (H * E, D)},
    "another block's router": {"a.moe.router.weight": (E, D), "b.w1": (E * H, D), "b.w2": (E * H, D)},
    "a width that is not the router's": {"moe.a": (E * H, D - 1), "moe.b": (E * H, D - 1), "moe.router.weight": (E, D)},
}


@pytest.mark.parametrize("kind", ORDINARY)
def test_ordinary_matrices_beside_something_like_a_router_stay_whole(kind: str, tmp_path: Path) -> None:
    state = {name: torch.randn(shape) for name, shape in ORDINARY[kind].items()}
    assert set(read(state, tmp_path).names) == set(state)


def test_a_router_among_the_experts_is_no_stack_of_them(tmp_path: Path) -> None:
    found = read({"experts.router.weight": torch.randn(E, D), "experts.w1": torch.randn(E * H, D)}, tmp_path)
    assert "experts.router.weight" in found.names
    assert len(found) == 1 + E


def test_a_live_model_has_the_same_names_as_its_file(tmp_path: Path) -> None:
    class Mixture(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.router = nn.Linear(D, E, bias=False)
            self.experts = nn.ModuleDict({"up": nn.Linear(D, E * H)})
            self.experts.down = nn.Parameter(torch.randn(E * D, H))

    model = Mixture()
    assert set(matrices(model).names) == set(read(model.state_dict(), tmp_path).names)
    assert len(matrices(model)) == 1 + 2 * E
