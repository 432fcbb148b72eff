"""What the name of a linear map says about it: query, key and value, fused or apart, gates, experts.

Live modules and checkpoints share this table, so that a layer keeps its role and its parts when it is saved. The names
are those of torch, timm and transformers. A fused projection stores q, k and v as three blocks of rows, or alternates
them: for each head (GPT-NeoX, BLOOM), or for each head of keys with the queries that share it (Falcon, Megatron).
"""

from __future__ import annotations

from dataclasses import dataclass

from htmu_diag.matrices.heads import Heads
from htmu_diag.matrices.layout import Part

__all__ = ["Projection", "gate_parts", "is_expert", "projection"]

_FUSED = frozenset({"in_proj_weight", "c_attn", "qkv", "qkv_proj", "Wqkv", "wqkv", "to_qkv", "W_pack", "attn_qkv"})
_ALTERNATING = frozenset({"query_key_value", "linear_qkv"})
_ALTERNATING_IN = frozenset({("gpt_bigcode", "c_attn"), ("deberta", "in_proj"), ("minimax", "qkv_proj")})
_FOUR_BLOCKS = ("codegen", "qkv_proj")  # four times (q, v, k), for the four chips it was trained on
_KEY_VALUE = frozenset({"kv", "to_kv", "kv_proj", "Wkv"})
_QUERY = frozenset({"q_proj", "query", "q_lin", "wq", "to_q", "q", "q_proj_weight", "q_attn"})
_KEY = frozenset({"k_proj", "key", "k_lin", "wk", "to_k", "k", "k_proj_weight"})
_VALUE = frozenset({"v_proj", "value", "v_lin", "wv", "to_v", "v", "v_proj_weight"})
_GATE_UP = frozenset({"gate_up_proj", "gate_up", "gate_and_up_proj", "w13", "w1w3", "gate_proj_up_proj"})
_EMBEDDING = frozenset({"wte", "wpe"})
_GATES = {4: ("i", "f", "g", "o"), 3: ("r", "z", "n")}  # order of rows in torch's LSTM and GRU


@dataclass(frozen=True)
class Projection:
    """Role and parts of a linear map; ``interleave`` as in `Layout`."""

    role: str
    parts: tuple[Part, ...] = ()
    interleave: int = 0


def projection(name: str, component: str, outputs: int, inputs: int, heads: Heads) -> Projection:
    """What the linear map called ``component``, of the full ``name``, does; no parts where it is one block."""
    known = (heads.family, component)
    if component in _KEY_VALUE or (component == "c_attn" and "cross" in name and outputs == 2 * inputs):
        return Projection("kv", _parts(("k", "v"), outputs // 2, heads) if outputs % 2 == 0 else ())
    if component in _ALTERNATING or known in _ALTERNATING_IN:
        fits = heads.query and outputs == (heads.query + 2 * heads.shared) * (heads.size or inputs // heads.query)
        return Projection("qkv", _fused(outputs, inputs, heads), heads.shared) if fits else Projection("qkv")
    if known == _FOUR_BLOCKS:
        return Projection("qkv", _parts(("q", "v", "k"), outputs // 3, heads), 4 if outputs % 12 == 0 else 0)
    if component in _FUSED:
        return Projection("qkv", _fused(outputs, inputs, heads))
    if component in _GATE_UP and outputs % 2 == 0:
        return Projection("gate up", tuple(Part(f".{half}", outputs // 2, f"mlp {half}") for half in ("gate", "up")))
    for names, letter in ((_QUERY, "q"), (_KEY, "k"), (_VALUE, "v")):
        if component in names:
            (part,) = _parts((letter,), outputs, heads)
            return Projection(part.role, (Part("", outputs, part.role, part.heads),))
    return Projection("embedding" if component in _EMBEDDING or "embed" in component else "linear")


def _fused(outputs: int, inputs: int, heads: Heads) -> tuple[Part, ...]:
    """q, k and v of equal size, or fewer rows for shared keys and values (grouped-query attention)."""
    if heads.query and heads.key:
        size, rest = divmod(outputs, heads.query + 2 * heads.key)
        query, key = (heads.query * size, heads.key * size) if rest == 0 else (0, 0)
    elif outputs % 3 == 0 and (outputs >= 3 * inputs or outputs == 3 * heads.query * heads.size):
        query = key = outputs // 3
    else:
        query, key = inputs, (outputs - inputs) // 2
    if min(query, key) < 1 or query + 2 * key != outputs:
        return ()
    return _parts(("q",), query, heads) + _parts(("k", "v"), key, heads)


def _parts(letters: tuple[str, ...], rows: int, heads: Heads) -> tuple[Part, ...]:
    roles = {"q": ("query", heads.query), "k": ("key", heads.shared), "v": ("value", heads.shared)}
    return tuple(Part(f".{letter}", rows, *roles[letter]) for letter in letters)


def gate_parts(gates: int, rows: int) -> tuple[Part, ...]:
    """The gates of a recurrent layer in torch's order of rows: i, f, g, o (LSTM) or r, z, n (GRU)."""
    names = _GATES.get(gates, ())
    return tuple(Part(f".{name}", rows // gates, f"gate {name}") for name in names) if rows % gates == 0 else ()


def is_expert(name: str) -> bool:
    """True for a parameter of a mixture of experts."""
    return any("expert" in part for part in name.split("."))
