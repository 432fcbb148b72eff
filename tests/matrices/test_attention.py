"""Fused projections are split as the model itself splits them, shown by what an attention layer cannot do without.

Without the rows of q, or without those of k, every score is zero and attention is uniform: the two outputs are equal.
Without the rows of v the output is zero. A wrong split fails at least one of these.
"""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import torch
from torch import nn

from htmu_diag.matrices import Matrix, checkpoint_matrices, matrices
from tests.later import Later

pytestmark = pytest.mark.xdist_group("transformers")
transformers = Later("transformers")

COMMON = {"vocab_size": 60, "bos_token_id": 1, "eos_token_id": 2, "pad_token_id": 0}
SIZES = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 8, "intermediate_size": 40}
GPT2 = {"n_embd": 32, "n_layer": 1, "n_head": 8}
FALCON = {"hidden_size": 32, "num_hidden_layers": 1, "num_attention_heads": 8}
DBRX = {"d_model": 32, "n_heads": 8, "n_layers": 1, "attn_config": {"kv_n_heads": 2, "rope_theta": 1e4, "clip_qkv": 80}}
CASES: dict[str, tuple[str, dict[str, object]]] = {
    "three blocks": ("GPT2", GPT2),
    "three blocks of a Linear": ("Mpt", {"d_model": 32, "n_heads": 8, "n_layers": 1}),
    "blocks of unequal size": ("Phi3", {**SIZES, "num_key_value_heads": 2}),
    "blocks with the number of key heads in a config": ("Dbrx", DBRX),
    "alternating by head": ("GPTNeoX", SIZES),
    "alternating by head, ALiBi": ("Bloom", {"hidden_size": 32, "n_layer": 1, "n_head": 8}),
    "alternating by head, normalised": ("Persimmon", SIZES),
    "alternating by group of heads": ("Falcon", {**FALCON, "new_decoder_architecture": True, "num_kv_heads": 2}),
    "one head of keys": ("Falcon", {**FALCON, "multi_query": True}),
    "alternating by family": ("GPTBigCode", {**GPT2, "multi_query": False}),
    "one head of keys by family": ("GPTBigCode", {**GPT2, "multi_query": True}),
    "four blocks of q, v, k": ("CodeGen", {**GPT2, "rotary_dim": 4}),
    "alternating under another name": ("Deberta", SIZES),
}


def built(name: str, options: dict[str, object]) -> nn.Module:
    torch.manual_seed(0)
    config = getattr(transformers, f"{name}Config")(**COMMON, **options, attn_implementation="eager")
    model: nn.Module = getattr(transformers, f"{name}Model")(config).eval()
    for parameter_name, parameter in model.named_parameters():
        if parameter.ndim == 1 and "bias" in parameter_name:
            nn.init.zeros_(parameter)
        elif parameter.ndim == 2:
            nn.init.normal_(parameter, std=0.5)
    return model


def split(model: nn.Module, **options: bool) -> tuple[nn.Parameter, list[Matrix]]:
    """The fused parameter of the only layer, and its matrices."""
    found = [m for m in matrices(model, **options) if re.search(r"weight\.[qkv]($|\.)", m.name)]  # type: ignore[arg-type]
    (name,) = {m.parameter for m in found}
    return model.get_parameter(name), found


def by_output(weight: torch.Tensor) -> torch.Tensor:
    """The fused map as (outputs, inputs): it has more outputs."""
    return weight if weight.shape[0] > weight.shape[1] else weight.T


def rows_of(weight: nn.Parameter, matrix: Matrix) -> torch.Tensor:
    """Which outputs of the fused map a matrix holds: its rows are looked up among those of the parameter."""
    return (matrix.read()[:, None] == by_output(weight)[None]).all(-1).nonzero()[:, 1]


def without(model: nn.Module, weight: nn.Parameter, rows: torch.Tensor) -> torch.Tensor:
    """What attention hands to its output projection when those outputs of the fused map are zero."""
    owner = next(
        path for path, module in model.named_modules() if any(p is weight for p in module._parameters.values())
    )
    attention = model.get_submodule(owner.rpartition(".")[0])
    found: list[torch.Tensor] = []
    last = [module for name, module in attention.named_children() if name in ("c_proj", "out_proj", "o_proj", "dense")]
    if last:
        hook = last[0].register_forward_pre_hook(lambda _, inputs: found.append(inputs[0]))
    else:
        hook = attention.register_forward_hook(lambda _, __, outputs: found.append(outputs[0]))
    kept = weight.detach().clone()
    with torch.no_grad():
        by_output(weight)[rows] = 0.0
        model(torch.arange(5, 14)[None])
        weight.copy_(kept)
    hook.remove()
    return found[0]


@pytest.mark.parametrize("case", CASES)
def test_without_q_or_k_attention_is_uniform_and_without_v_it_is_zero(case: str) -> None:
    model = built(*CASES[case])
    weight, parts = split(model)
    rows = {m.name.rpartition(".")[2]: rows_of(weight, m) for m in parts}
    assert sorted(torch.cat(list(rows.values())).tolist()) == list(range(max(weight.shape)))
    rows[""] = torch.tensor([], dtype=torch.long)
    whole, no_q, no_k, no_v = (without(model, weight, rows[part]) for part in ("", "q", "k", "v"))
    assert no_v.abs().max() < 1e-6 < (whole - no_q).abs().max()
    if CASES[case][0] != "Deberta":  # its relative positions use q and k once more
        torch.testing.assert_close(no_q, no_k, rtol=1e-4, atol=1e-5)


@pytest.mark.parametrize("case", CASES)
def test_heads_are_the_parts_cut_evenly_in_the_order_of_rows(case: str) -> None:
    model = built(*CASES[case])
    _, parts = split(model)
    _, heads = split(model, heads=True)
    for part in parts:
        own = [m for m in heads if m.name.startswith(f"{part.name}.head")]
        assert len(own) == (8 if part.role == "query" else len(own))
        assert {m.shape for m in own} == {(4, 32)}
        torch.testing.assert_close(torch.cat([m.read() for m in own]), part.read())


def test_cross_attention_has_keys_and_values_in_one_map() -> None:
    config = transformers.GPT2Config(**COMMON, **GPT2, add_cross_attention=True)
    model = transformers.GPT2Model(config)
    fused = model.h[0].crossattention.c_attn.weight
    inventory = matrices(model, include=("h.0.crossattention.c_attn",))
    assert [(m.name.rpartition(".")[2], m.role, m.shape) for m in inventory] == [
        ("k", "key", (32, 32)),
        ("v", "value", (32, 32)),
    ]
    torch.testing.assert_close(inventory.matrices[1].read(), fused[:, 32:].T)


class Attention(nn.Module):
    def __init__(self, name: str, rows: int, **heads: int) -> None:
        super().__init__()
        self.add_module(name, nn.Linear(16, rows, bias=False))
        for key, value in heads.items():
            setattr(self, key, value)


@pytest.mark.parametrize(
    ("attention", "sizes"),
    [
        (Attention("qkv", 48, num_heads=4), [16, 16, 16]),  # timm
        (Attention("qkv", 24, num_heads=2, head_dim=4), [8, 8, 8]),  # narrower than its input
        (Attention("to_kv", 32, heads=4), [16, 16]),
        (Attention("Wqkv", 24, num_heads=4, num_heads_kv=1), [16, 4, 4]),
        (Attention("linear_qkv", 32, num_heads=4, num_query_groups=2), [16, 8, 8]),  # Megatron
        (Attention("query_key_value", 40, num_heads=4), [40]),  # sizes that say nothing: kept whole
        (Attention("qkv", 19, num_heads=4), [19]),
    ],
)
def test_sizes_of_parts_follow_from_what_the_layer_tells(attention: nn.Module, sizes: list[int]) -> None:
    assert [m.shape for m in matrices(attention)] == [(size, 16) for size in sizes]


def test_three_dimensional_projections_are_one_map_each() -> None:
    config = transformers.XLNetConfig(vocab_size=30, d_model=24, n_layer=1, n_head=4, d_inner=40)
    model = transformers.XLNetModel(config)
    inventory = matrices(model, include=("layer.0.rel_attn.q",))
    assert [(m.shape, m.role) for m in inventory] == [((24, 24), "query")]
    torch.testing.assert_close(inventory.matrices[0].read(), model.layer[0].rel_attn.q.detach().flatten(1))


def test_a_lone_v_beside_a_w_is_a_stack_as_that_is(tmp_path: Path) -> None:
    state = {"moe.w": torch.randn(4, 8, 16), "moe.v": torch.randn(4, 8, 16)}
    torch.save(state, tmp_path / "m.pt")
    assert {m.shape for m in checkpoint_matrices(tmp_path / "m.pt")} == {(8, 16)}
    torch.save({f"attn.{name}": torch.randn(16, 4, 6) for name in "qkvor"}, tmp_path / "m.pt")
    assert {m.shape for m in checkpoint_matrices(tmp_path / "m.pt")} == {(16, 24)}
