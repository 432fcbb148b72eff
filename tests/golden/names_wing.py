"""What is computed for `numbers` from names and shapes: the matrices of a checkpoint, and why others are none."""

from collections.abc import Callable
from typing import Any

import torch

from htmu_diag import matrices
from htmu_diag.errors import InputError
from htmu_diag.matrices.heads import Heads
from htmu_diag.matrices.lora_patterns import Patterns
from htmu_diag.matrices.name_layout import by_dtype, guess_layout
from htmu_diag.matrices.not_weights import holds_two_values
from htmu_diag.matrices.projections import gate_parts, projection
from htmu_diag.matrices.stored import StoredTensor
from tests.golden.groups_wing import GROUPS
from tests.golden.measurement_wing import listed, waves

Named = dict[str, torch.Tensor]
LONE: dict[str, tuple[tuple[int, ...], ...]] = {
    "weight": ((3, 5), (4, 3, 31), (4, 3, 32), (4, 2, 3, 3), (1, 5), (5,), (0,), (0, 4), (2, 3, 1, 1, 1)),
    "fc.weight": ((3, 5), (2, 3, 31), (2, 3, 32)),
    "conv.weight": ((2, 3, 32), (2, 3, 33)),
    "w": ((3, 5), (2, 3, 4), (1, 3, 4), (2, 1, 3, 4), (4, 3, 2, 2), (2, 3, 4, 5), (3, 3, 31, 31), (32, 3, 32, 32)),
    "kernel": ((3, 5), (3, 2, 4), (31, 2, 4), (32, 2, 4), (3, 3, 2, 4)),
    "out.kernel": ((2, 3, 4), (3, 4)),
    "gate_up_proj.kernel": ((2, 3, 4), (2, 4, 3)),
    "query.kernel": ((6, 2, 3),),
    "net/~/conv2_d_1/w": ((3, 3, 2, 4),),
    "conv1_d.w": ((3, 2, 4),),
    "embed.weight": ((9, 4),),
    "wte.weight": ((9, 4),),
    "h.0.attn.c_attn.weight": ((4, 12), (12, 4), (4, 4)),
    "h.0.crossattention.c_attn.weight": ((4, 8), (8, 4)),
    "h.0.mlp.c_proj.weight": ((8, 4), (4, 8), (4, 4)),
    "h.0.attn.c_proj.weight": ((8, 4),),
    "h.0.mlp.c_fc.weight": ((4, 8), (8, 4)),
    "qkv.weight": ((12, 4), (8, 4), (7, 4), (6, 4), (4, 4), (5, 4)),
    "kv.weight": ((8, 4), (7, 4)),
    "gate_up_proj.weight": ((8, 4), (7, 4)),
    "query_key_value.weight": ((12, 4),),
    "rnn.weight_ih_l0": ((12, 3), (16, 3), (7, 3)),
    "rnn.weight_hh_l0": ((12, 3), (12, 4), (12, 12), (13, 3), (15, 3)),
    "rnn.weight_hr_l0_reverse": ((2, 5),),
    "attn.bias": ((4, 4), (1, 1, 4, 4)),
    "attention.masked_bias": ((1, 3),),
    "mask": ((3, 4),),
    "tril2": ((3, 4),),
    "freqs_cis": ((3, 4),),
    "rotary_emb.cos_cached": ((3, 4),),
    "relative_position_index": ((3, 4),),
    "relative_attention_bias.weight": ((3, 4),),
    "hann_window": ((3, 4),),
    "anchors": ((3, 2),),
    "biases": ((3, 4), (2, 3, 4)),
    "experts.bias": ((3, 4),),
    "norms.scale": ((3, 4), (3, 4, 5)),
    "layer_norm.gamma": ((3, 4),),
    "ln_1": ((3, 4),),
    "other.scale": ((3, 4),),
    "exp_avg": ((3, 4),),
    "state.momentum_buffer": ((3, 4),),
    "experts.w1": ((3, 4, 5), (6, 4)),
    "experts.0.w1.weight": ((4, 5),),
    ".".join("a" * 500): ((3, 4),),
    ".".join("a" * 501): ((3, 4),),
    "x" * 300: ((3, 4),),
}
HEADS = (Heads(), Heads(4), Heads(4, 2), Heads(4, 2, 3), Heads(2, 0, 2, "gpt_bigcode"), Heads(2, 1, 2, "codegen"))
COMPONENTS = [
    "in_proj_weight",
    "qkv_proj",
    "query_key_value",
    "linear_qkv",
    "c_attn",
    "in_proj",
    "kv",
    "q_proj",
    "k",
    "v_proj",
    "w13",
    "wpe",
    "embedder",
    "head",
]


def told(make: Callable[[], Named], **choices: Any) -> Any:
    """The inventory of a state dict, or the sentence of its refusal."""
    try:
        return listed(matrices.checkpoint_matrices(make(), **choices))
    except InputError as error:
        return str(error)


def of_lone_names() -> dict[str, Any]:
    return {
        f"{name[:60]} {len(name)} {shape}": told(lambda name=name, shape=shape: {name: waves(*shape)})  # type: ignore[misc]
        for name, shapes in LONE.items()
        for shape in shapes
    }


def in_words(found: Any) -> str:
    """A projection, or its parts: "q 8x4 query" has eight rows of four heads."""
    parts = found if isinstance(found, tuple) else found.parts
    words = [f"{part.suffix} {part.rows}x{part.heads} {part.role}" for part in parts]
    return "; ".join(words if isinstance(found, tuple) else [f"{found.role} {found.interleave}", *words])


def of_projections() -> dict[str, Any]:
    sizes = ((12, 4), (24, 8), (16, 8), (24, 4), (8, 8), (7, 4), (6, 2), (4, 8))
    found: dict[str, Any] = {
        f"{component} {size} {place}": projection("a.cross", component, *size, heads)
        for component in COMPONENTS
        for size in sizes
        for place, heads in enumerate(HEADS)
    }
    gates = {f"gates {gates} {rows}": gate_parts(gates, rows) for gates in range(1, 6) for rows in (12, 13)}
    return {name: in_words(value) for name, value in (found | gates).items()}


def of_groups() -> dict[str, Any]:
    cut = ("XLNet", "LoRA of a kernel", "GRU")
    plain = {name: told(make) for name, make in GROUPS.items()}
    return plain | {f"{name}, cut": told(GROUPS[name], heads=2, conv="positions") for name in cut}


def of_layouts() -> dict[str, str]:
    """Layouts that no matrix shows: of names beside neighbours, of complex kernels, of a mask that is not read."""
    shapes = {"a.q": (6, 2, 3), "a.k": (6, 2, 3), "a.v": (6, 2, 3), "m.experts.w": (3, 4, 5)}
    named = {name: guess_layout(name, shape, shapes, Heads(2)) for name, shape in shapes.items()}
    typed = {
        f"{layout.form} {shape} {declared}": by_dtype(layout, torch.complex64, shape, convolution=declared)
        for layout in (guess_layout("w", (2, 3, 4), {}, Heads()), guess_layout("a.weight", (2, 3, 4), {}, Heads()))
        for shape in ((2, 3, 4), (2, 3), (1, 3, 4), (2, 1, 4))
        for declared in (False, True)
    }
    return {name: str(layout) for name, layout in (named | typed).items()}


def unread(rows: slice) -> torch.Tensor:
    raise AssertionError("was read")


def of_unread() -> dict[str, Any]:
    """A tensor that is refused, is large, or has 63 entries is not read to see whether it is a mask."""
    kinds = {"refused": ((8, 8), "torn"), "large": ((4096, 4097), ""), "few": ((7, 9), ""), "none": ((0, 64), "")}
    found = {n: StoredTensor("m", shape, torch.float32, unread, refusal=why) for n, (shape, why) in kinds.items()}
    return {name: holds_two_values(tensor) for name, tensor in found.items()}


def of_patterns() -> dict[str, Any]:
    keys = [
        "a.b",
        r"a\.c",
        "b",
        r"x\d+",
        "(y|z)",
        "[pq]*r+",
        "a*b*c*",
        "s" * 128,
        "t" * 129,
        "[",
        "(" + "u|" * 3 + "v)",
    ]
    layers = [
        "m.a.b",
        "a.b.c",
        "n.b",
        "a.c",
        "x12",
        "o.y",
        "z",
        "pqr",
        "abc",
        "s" * 128,
        "m." + "s" * 127,
        "t" * 129,
        "uv",
    ]
    found: dict[str, Any] = {}
    for key in keys:
        patterns = Patterns({key: 3})
        found[key[:40]] = [str(patterns.found(layer)) for layer in layers], patterns.readable
    return found | {str(table): Patterns(table).readable for table in (None, 3, {}, [])}  # type: ignore[dict-item]


CASES: dict[str, dict[str, Callable[[], Any]]] = {
    "names": {
        "lone": of_lone_names,
        "projections": of_projections,
        "groups": of_groups,
        "layouts": of_layouts,
        "unread": of_unread,
        "patterns": of_patterns,
    }
}
