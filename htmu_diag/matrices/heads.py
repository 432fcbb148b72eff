"""Attention heads: how many, of which size, as modules (`module_heads`) or a ``config.json`` tell them.

``family`` is what transformers calls ``model_type``. A few families arrange fused projections in an order of their own,
which neither names nor shapes show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from htmu_diag.errors import InputError
from htmu_diag.plain_files import read_json

__all__ = ["CALLED", "Heads", "first_of", "heads_beside"]

_QUERY = ("num_heads", "num_attention_heads", "n_heads", "n_head", "nhead", "heads")
_KEY = ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "kv_heads", "kv_n_heads", "n_head_kv", "num_query_groups")
_SIZE = ("head_dim", "attention_head_size", "head_size", "key_value_proj_dim", "d_kv")
_EXPERTS = ("moe_num_experts", "num_local_experts", "num_experts", "n_routed_experts", "num_routed_experts")
CALLED = (_QUERY, _KEY, _SIZE, _EXPERTS)  # as the fields of `Heads` are called there


@dataclass(frozen=True)
class Heads:
    """Heads of the queries, of the keys and values where they share some, and rows of one head. 0: not known.

    experts: of a mixture, told in the same places.
    """

    query: int = 0
    key: int = 0
    size: int = 0
    family: str = ""
    experts: int = 0

    @property
    def shared(self) -> int:
        return self.key or self.query


def heads_beside(path: Path) -> Heads:
    """Heads from the ``config.json`` in the folder of the weights, as transformers writes it; none without one."""
    file = (path if path.is_dir() else path.parent) / "config.json"
    try:
        config = read_json(file)
    except (OSError, InputError):
        return Heads()
    if not isinstance(config, dict):
        return Heads()
    inside = [config.get(key) for key in ("attn_config", "ffn_config", "text_config")]
    holders = [config, *(inner for inner in inside if isinstance(inner, dict))]
    one_key_head = config.get("multi_query") is True and not config.get("new_decoder_architecture")
    key = 1 if one_key_head else first_of(holders, _KEY)
    return Heads(
        first_of(holders, _QUERY),
        key,
        first_of(holders, _SIZE),
        str(config.get("model_type", "")),
        first_of(holders, _EXPERTS),
    )


def first_of(holders: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    """The first positive whole number under one of the names, 0 without one."""
    found = (holder.get(name) for holder in holders for name in names)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), 0)
