"""What the name of a linear map says about it: query, key and value, fused or apart, gates, experts.

Live modules and checkpoints share this table, so that a layer keeps its role and its parts when it is saved. The names
are those of torch, timm and transformers.
"""

from __future__ import annotations

from dataclasses import dataclass

from htmu_diag.matrices.layout import Part

__all__ = ["FUSED", "INTERLEAVED", "Heads", "gate_parts", "is_expert", "projection"]

FUSED = frozenset({"in_proj_weight", "c_attn", "qkv", "qkv_proj", "Wqkv", "wqkv", "to_qkv", "W_pack", "attn_qkv"})
INTERLEAVED = frozenset({"query_key_value"})  # rows ordered (head, q or k or v, position in the head)
_QUERY = frozenset({"q_proj", "query", "q_lin", "wq", "to_q", "q", "q_proj_weight", "q_attn"})
_KEY = frozenset({"k_proj", "key", "k_lin", "wk", "to_k", "k", "k_proj_weight"})
_VALUE = frozenset({"v_proj", "value", "v_lin", "wv", "to_v", "v", "v_proj_weight"})
_EMBEDDING = frozenset({"wte", "wpe"})
_GATES = {4: ("i", "f", "g", "o"), 3: ("r", "z", "n")}  # order of rows in torch's LSTM and GRU


@dataclass(frozen=True)
class Heads:
    """Attention heads of a layer: of the queries, and of the keys and values where they are shared. 0: not known."""

    query: int = 0
    key: int = 0

    @property
    def shared(self) -> int:
        return self.key or self.query


def projection(component: str, outputs: int, inputs: int, heads: Heads) -> tuple[str, tuple[Part, ...]]:
    """Role and parts of the linear map called ``component``; no parts where it is one block."""
    if component in FUSED:
        return "qkv", _fused(outputs, inputs, heads)
    if component in INTERLEAVED:
        return "qkv", _fused(outputs, inputs, heads) if outputs == 3 * inputs and heads.query else ()
    for names, role, count in (
        (_QUERY, "query", heads.query),
        (_KEY, "key", heads.shared),
        (_VALUE, "value", heads.shared),
    ):
        if component in names:
            return role, (Part("", outputs, role, count),)
    return ("embedding" if component in _EMBEDDING or "embed" in component else "linear"), ()


def _fused(outputs: int, inputs: int, heads: Heads) -> tuple[Part, ...]:
    """q, k and v of equal size, or fewer rows for shared keys and values (grouped-query attention)."""
    if heads.query and heads.key:
        size, rest = divmod(outputs, heads.query + 2 * heads.key)
        query, key = (heads.query * size, heads.key * size) if rest == 0 else (0, 0)
    elif outputs % 3 == 0 and outputs >= 3 * inputs:
        query = key = outputs // 3
    else:
        query, key = inputs, (outputs - inputs) // 2
    if min(query, key) < 1 or query + 2 * key != outputs:
        return ()
    return (
        Part(".q", query, "query", heads.query),
        Part(".k", key, "key", heads.shared),
        Part(".v", key, "value", heads.shared),
    )


def gate_parts(gates: int, rows: int) -> tuple[Part, ...]:
    """The gates of a recurrent layer in torch's order of rows: i, f, g, o (LSTM) or r, z, n (GRU)."""
    names = _GATES.get(gates, ())
    return tuple(Part(f".{name}", rows // gates, f"gate {name}") for name in names) if rows % gates == 0 else ()


def is_expert(name: str) -> bool:
    """True for a parameter of a mixture of experts."""
    return any("expert" in part for part in name.split("."))
