"""One fact for each kind of parameter that other tools drop, count twice or fail on."""

import copy
import warnings

import pytest
import torch
from torch import nn
from torch.nn.utils import parametrizations, parametrize, prune

from htmu_diag.matrices import Inventory, matrices

torch.manual_seed(0)


def reason(inventory: Inventory, name: str) -> str:
    return next(skip.reason for skip in inventory.skipped if skip.name == name)


def assert_close(actual: torch.Tensor, expected: torch.Tensor) -> None:
    torch.testing.assert_close(actual, expected.detach(), rtol=1e-6, atol=1e-7)


@pytest.mark.parametrize("groups", [1, 2, 4])
def test_a_grouped_convolution_is_unfolded_whole_or_group_by_group(groups: int) -> None:
    conv = nn.Conv2d(4, 8, 3, groups=groups)
    assert_close(matrices(conv)["weight"].read(), conv.weight.reshape(8, -1))
    parts = matrices(conv, conv="groups")
    blocks = [m.read() for m in parts]
    assert [m.name for m in parts] == (["weight"] if groups == 1 else [f"weight.group{g}" for g in range(groups)])
    assert_close(torch.cat(blocks), conv.weight.reshape(8, -1))


def test_a_convolution_by_kernel_position_gives_one_matrix_for_each() -> None:
    conv = nn.Conv2d(3, 5, (2, 3))
    inventory = matrices(conv, conv="positions")
    assert inventory.names == tuple(f"weight.position{k}" for k in range(6))
    assert_close(inventory["weight.position4"].read(), conv.weight[:, :, 1, 1])


@pytest.mark.parametrize("groups", [1, 2])
def test_a_transposed_convolution_unfolds_to_outputs_by_inputs(groups: int) -> None:
    conv = nn.ConvTranspose2d(4, 6, 3, groups=groups)
    matrix = matrices(conv)["weight"]
    assert matrix.shape == (6, 4 // groups * 9)
    weight = conv.weight.reshape(groups, 4 // groups, 6 // groups, 9)
    assert_close(matrix.read(), torch.cat([g.transpose(0, 1).flatten(1) for g in weight]))
    assert_close(torch.cat([m.read() for m in matrices(conv, conv="groups")]), matrix.read())


def test_a_depthwise_convolution_is_one_matrix_of_kernels() -> None:
    assert matrices(nn.Conv2d(16, 16, 3, groups=16))["weight"].shape == (16, 9)
    assert matrices(nn.Conv1d(16, 16, 4, groups=16))["weight"].shape == (16, 4)


def test_multihead_attention_is_split_into_q_k_v_and_heads() -> None:
    attention = nn.MultiheadAttention(12, 3)
    inventory = matrices(attention)
    assert [(m.name, m.shape) for m in inventory] == [
        ("in_proj_weight.q", (12, 12)),
        ("in_proj_weight.k", (12, 12)),
        ("in_proj_weight.v", (12, 12)),
        ("out_proj.weight", (12, 12)),
    ]
    assert_close(inventory["in_proj_weight.k"].read(), attention.in_proj_weight[12:24])
    heads = matrices(attention, heads=True)
    assert_close(heads["in_proj_weight.v.head2"].read(), attention.in_proj_weight[24 + 8 :])
    assert len(heads) == 10
    assert matrices(attention, fused=False).names == ("in_proj_weight", "out_proj.weight")


def test_attention_with_other_key_sizes_and_bias_vectors_is_complete() -> None:
    attention = nn.MultiheadAttention(12, 3, kdim=5, vdim=7, add_bias_kv=True)
    inventory = matrices(attention, heads=True, include=("*proj_weight*",))
    assert {m.name: m.shape for m in inventory if m.name.endswith("head0")} == {
        "q_proj_weight.head0": (4, 12),
        "k_proj_weight.head0": (4, 5),
        "v_proj_weight.head0": (4, 7),
    }
    assert "single vector" in reason(inventory, "bias_k")


class SharedKeys(nn.Module):
    """Grouped-query attention: 4 query heads, 2 heads of keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.num_heads, self.num_key_value_heads = 4, 2
        self.qkv_proj = nn.Linear(8, 16, bias=False)
        self.k_proj = nn.Linear(8, 4, bias=False)


def test_grouped_query_attention_splits_by_its_own_sizes() -> None:
    inventory = matrices(SharedKeys())
    assert [m.shape for m in inventory] == [(8, 8), (4, 8), (4, 8), (4, 8)]
    heads = matrices(SharedKeys(), heads=True)
    assert [m.name for m in heads if m.role == "key"] == [
        "qkv_proj.weight.k.head0",
        "qkv_proj.weight.k.head1",
        "k_proj.weight.head0",
        "k_proj.weight.head1",
    ]


def test_an_interleaved_projection_is_split_by_its_heads() -> None:
    attention = nn.Module()
    attention.num_attention_heads = 2
    attention.query_key_value = nn.Linear(6, 18)
    weight = attention.query_key_value.weight.detach().reshape(2, 3, 3, 6)  # (heads, q k v, size, in)
    assert_close(matrices(attention)["query_key_value.weight.k"].read(), weight[:, 1].reshape(6, 6))
    assert_close(matrices(attention, heads=True)["query_key_value.weight.v.head1"].read(), weight[1, 2])


@pytest.mark.parametrize(
    ("kind", "gates", "prefix"),
    [(nn.LSTM, "ifgo", "_l0"), (nn.GRU, "rzn", "_l0"), (nn.LSTMCell, "ifgo", ""), (nn.GRUCell, "rzn", "")],
)
def test_recurrent_weights_are_split_by_gate(kind: type[nn.Module], gates: str, prefix: str) -> None:
    cell = kind(5, 7)
    inventory = matrices(cell)
    assert inventory.names == tuple(f"weight_{w}{prefix}.{g}" for w in ("ih", "hh") for g in gates)
    assert_close(inventory[f"weight_hh{prefix}.{gates[1]}"].read(), getattr(cell, f"weight_hh{prefix}")[7:14])


def test_a_projected_bidirectional_lstm_is_complete() -> None:
    inventory = matrices(nn.LSTM(5, 8, num_layers=2, proj_size=3, bidirectional=True))
    assert len(inventory) == 2 * 2 * (4 + 4 + 1)
    assert inventory["weight_hr_l1_reverse"].shape == (3, 8)
    assert matrices(nn.RNN(5, 7)).names == ("weight_ih_l0", "weight_hh_l0")


def test_embeddings_bare_parameters_and_experts_give_rows() -> None:
    net = nn.Module()
    net.embed = nn.Embedding(60_000, 2)
    net.bare = nn.Parameter(torch.randn(6, 4))
    net.experts = nn.Module()
    net.experts.down_proj = nn.Parameter(torch.randn(11, 3, 5))
    net.position = nn.Parameter(torch.randn(1, 9, 4))
    net.token = nn.Parameter(torch.randn(1, 1, 4))
    net.deep = nn.Parameter(torch.randn(2, 2, 3, 5))
    net.bilinear = nn.Bilinear(3, 4, 2)
    inventory = matrices(net)
    assert inventory["embed.weight"].shape == (60_000, 2)
    assert inventory["bare"].shape == (6, 4)
    assert inventory["experts.down_proj.expert03"].shape == (3, 5)
    assert inventory["position"].shape == (9, 4)
    assert_close(inventory["deep.slice3"].read(), net.deep[1, 1])
    assert_close(inventory["experts.down_proj.expert10"].read(), net.experts.down_proj[10])
    assert [m.shape for m in inventory if m.name.startswith("bilinear")] == [(2, 12)]
    assert "single vector" in reason(inventory, "token")


def test_tied_weights_are_counted_once() -> None:
    net = nn.Sequential(nn.Embedding(20, 8), nn.Linear(8, 20, bias=False))
    net[1].weight = net[0].weight
    inventory = matrices(net)
    assert inventory.names == ("0.weight",)
    assert reason(inventory, "1.weight") == "tied to 0.weight, which is measured once under that name"


def test_shared_modules_are_counted_once() -> None:
    layer = nn.Linear(4, 4, bias=False)
    assert matrices(nn.Sequential(layer, nn.ReLU(), layer)).names == ("0.weight",)


@pytest.mark.parametrize(
    "wrap",
    [
        parametrizations.weight_norm,
        parametrizations.spectral_norm,
        parametrizations.orthogonal,
        nn.utils.weight_norm,
        nn.utils.spectral_norm,
    ],
)
@pytest.mark.parametrize("layer", [nn.Linear(6, 4), nn.Conv2d(3, 4, 2)])
def test_parametrised_weights_are_the_effective_ones(wrap, layer: nn.Module) -> None:  # type: ignore[no-untyped-def]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        layer = wrap(copy.deepcopy(layer))
    layer.train()
    before = {name: value.clone() for name, value in layer.state_dict().items()}
    inventory = matrices(layer)
    read = inventory["weight"].read()
    assert all(torch.equal(before[name], value) for name, value in layer.state_dict().items())
    assert layer.training
    assert inventory.names == ("weight",)
    layer.eval()(torch.randn(2, *((6,) if isinstance(layer, nn.Linear) else (3, 4, 4))))
    assert_close(read, layer.weight.reshape(4, -1))
    reasons = {skip.reason for skip in inventory.skipped if len(skip.shape) > 1}
    measured, buffer = "a part of the parametrised weight, measured whole", "a buffer, which is not trained"
    assert measured in reasons
    assert reasons <= {measured, buffer}


class Noisy(nn.Module):
    """A parametrisation that draws random numbers, and has matrices of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.mix = nn.Parameter(torch.randn(4, 4))

    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        return weight + self.mix @ torch.randn_like(weight)


def test_reading_moves_no_random_state_and_keeps_the_parametrisations_own_matrices() -> None:
    layer = parametrize.register_parametrization(nn.Linear(6, 4), "weight", Noisy(), unsafe=True)
    before = torch.get_rng_state()
    inventory = matrices(layer)
    inventory["weight"].read()
    assert torch.equal(torch.get_rng_state(), before)
    assert inventory.names == ("weight", "parametrizations.weight.0.mix")


def lora_layer() -> nn.Module:
    layer = nn.Module()
    layer.base_layer = nn.Linear(10, 6)
    layer.lora_A = nn.ModuleDict({"default": nn.Linear(10, 2, bias=False)})
    layer.lora_B = nn.ModuleDict({"default": nn.Linear(2, 6, bias=False)})
    return layer


def test_lora_gives_both_factors_and_their_product() -> None:
    layer = lora_layer()
    inventory = matrices(layer)
    assert inventory.names == (
        "base_layer.weight",
        "lora_A.default.weight",
        "lora_B.default.weight",
        "lora_delta.default",
    )
    a, b = layer.lora_A["default"].weight, layer.lora_B["default"].weight
    delta = inventory["lora_delta.default"]
    assert delta.shape == (6, 10)
    assert_close(delta.read(), b @ a)
    assert delta.factors is not None
    assert [tuple(factor.shape) for factor in delta.factors()] == [(6, 2), (2, 10)]


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16, torch.float8_e4m3fn])
def test_narrow_types_are_read_as_float32(dtype: torch.dtype) -> None:
    net = nn.Module()
    net.weight = nn.Parameter(torch.randn(4, 3).to(dtype), requires_grad=False)
    matrix = matrices(net)["weight"]
    assert matrix.read().dtype == torch.float32
    assert_close(matrix.read(), net.weight.float())


@pytest.mark.filterwarnings("ignore:torch.quantize_per_tensor")
def test_quantised_weights_are_dequantised_and_codes_refused() -> None:
    net = nn.Module()
    net.scaled = nn.Parameter(torch.quantize_per_tensor(torch.randn(4, 3), 0.1, 0, torch.qint8), requires_grad=False)
    net.codes = nn.Parameter(torch.ones(4, 3, dtype=torch.int8), requires_grad=False)
    inventory = matrices(net)
    assert_close(inventory["scaled"].read(), net.scaled.dequantize())
    assert "torch.int8 values are codes or indices" in reason(inventory, "codes")


def test_sparse_meta_and_empty_tensors_are_refused_by_name() -> None:
    net = nn.Module()
    net.sparse = nn.Parameter(torch.eye(3).to_sparse())
    net.meta = nn.Linear(3, 2, device="meta")
    net.empty = nn.Parameter(torch.empty(0, 5))
    net.lazy = nn.LazyLinear(4)
    inventory = matrices(net)
    assert inventory.names == ()
    assert "sparse (torch.sparse_coo)" in reason(inventory, "sparse")
    assert "on the meta device" in reason(inventory, "meta.weight")
    assert reason(inventory, "empty") == "empty: shape (0, 5)"
    assert "run the lazy module once" in reason(inventory, "lazy.weight")


@pytest.mark.filterwarnings("ignore::UserWarning", "ignore::DeprecationWarning")
def test_packed_quantised_modules_give_their_dequantised_weights() -> None:
    quantized = torch.ao.nn.quantized
    net = nn.Module()
    net.linear, net.conv = quantized.dynamic.Linear(8, 4), quantized.Conv2d(3, 4, 2)
    net.transposed, net.embedding = quantized.ConvTranspose2d(4, 6, 2), quantized.Embedding(20, 5)
    net.lstm = torch.ao.quantization.quantize_dynamic(nn.Sequential(nn.LSTM(4, 3)), {nn.LSTM})[0]
    inventory = matrices(net)
    shapes = {m.name: (m.shape, m.role) for m in inventory if "lstm" not in m.name}
    assert shapes == {
        "linear.weight": ((4, 8), "linear"),
        "conv.weight": ((4, 12), "conv"),
        "transposed.weight": ((6, 16), "conv"),
        "embedding.weight": ((20, 5), "embedding"),
    }
    assert_close(inventory["linear.weight"].read(), net.linear.weight().dequantize())
    assert_close(inventory["lstm.weight_hh_l0.g"].read(), net.lstm.get_weight()["weight_hh_l0"].dequantize()[6:9])


@pytest.mark.parametrize(("scales", "block"), [((1, 1), (256, 384)), ((256, 1), (1, 384)), ((2, 3), (128, 128))])
def test_eight_bit_weights_are_multiplied_with_their_scales(scales: tuple[int, int], block: tuple[int, int]) -> None:
    net = nn.Module()
    net.weight = nn.Parameter(torch.randn(256, 384).to(torch.float8_e4m3fn), requires_grad=False)
    net.weight_scale_inv = nn.Parameter(torch.rand(scales) + 0.5, requires_grad=False)
    full = torch.kron(net.weight_scale_inv.detach(), torch.ones(block))
    inventory = matrices(net)
    assert_close(inventory["weight"].read(), net.weight.float() * full)
    assert inventory.names == ("weight",)
    assert reason(inventory, "weight_scale_inv") == "a part of the parametrised weight, measured whole"


def test_a_pruned_weight_is_the_one_that_is_left() -> None:
    layer = prune.l1_unstructured(nn.Linear(6, 4), "weight", 0.5)
    inventory = matrices(layer)
    assert int((inventory["weight"].read() == 0).sum()) == 12
    assert reason(inventory, "weight_orig") == "a part of the parametrised weight, measured whole"


class Broken(nn.Module):
    def forward(self, weight: torch.Tensor) -> torch.Tensor:
        raise ValueError("needs a batch")


def test_a_parametrisation_that_fails_loses_its_own_layer_only() -> None:
    net = nn.Sequential(nn.Linear(4, 3), nn.Linear(3, 2))
    parametrize.register_parametrization(net[0], "weight", Broken(), unsafe=True)
    inventory = matrices(net)
    assert inventory.names == ("1.weight",)
    assert "fails outside the model (ValueError: needs a batch)" in reason(inventory, "0.weight")


def test_saved_buffers_have_a_reason_and_scratch_ones_are_left_out() -> None:
    net = nn.Linear(4, 3)
    net.register_buffer("mask", torch.ones(3, 3))
    net.register_buffer("cache", torch.ones(3, 3), persistent=False)
    inventory = matrices(net)
    assert reason(inventory, "mask") == "a buffer, which is not trained"
    assert all(skip.name != "cache" for skip in inventory.skipped)


def test_a_weight_tied_to_its_transpose_is_counted_once() -> None:
    net = nn.Sequential(nn.Linear(8, 4, bias=False), nn.Linear(4, 8, bias=False))
    net[1].weight = nn.Parameter(net[0].weight.t())
    assert matrices(net).names == ("0.weight",)
    assert reason(matrices(net), "1.weight").startswith("tied to 0.weight")


def test_ragged_and_packed_tensors_are_refused_by_name() -> None:
    net = nn.Module()
    members = [torch.randn(2, 3), torch.randn(4, 3)]
    net.ragged = nn.Parameter(torch.nested.nested_tensor(members, layout=torch.jagged))
    net.pairs = nn.Parameter(torch.ones(4, 4, dtype=torch.uint8).view(torch.float4_e2m1fn_x2), requires_grad=False)
    inventory = matrices(net)
    assert inventory.names == ()
    assert "nested (ragged)" in reason(inventory, "ragged")
    assert "dequantise them first" in reason(inventory, "pairs")


def test_a_bilinear_form_is_outputs_by_pairs_of_inputs() -> None:
    layer = nn.Bilinear(40, 50, 6)
    assert [(m.shape, m.role) for m in matrices(layer)] == [((6, 2000), "bilinear")]


def test_filters_select_by_glob_and_size_and_say_what_they_left_out() -> None:
    net = nn.Sequential(nn.Linear(8, 4), nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 1)))
    assert matrices(net, include=("1",)).names == ("1.0.weight", "1.1.weight")
    assert matrices(net, include=("*.weight",), exclude=("0.*",)).names == ("1.0.weight", "1.1.weight")
    inventory = matrices(net, min_side=2)
    assert inventory.names == ("0.weight", "1.0.weight")
    assert reason(inventory, "1.1.weight") == "its smaller side 1 is below min_side=2"
    assert "matches none of include=['1']" in reason(matrices(net, include=("1",)), "0.weight")


def test_an_unknown_name_raises_with_the_reason() -> None:
    inventory = matrices(nn.Linear(4, 3))
    with pytest.raises(KeyError, match="one-dimensional"):
        inventory["bias"]
    with pytest.raises(KeyError, match="no such matrix"):
        inventory["weights"]
