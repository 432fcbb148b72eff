"""Attention heads: how many, of which size, as the modules near a parameter or a ``config.json`` tell them.

``family`` is what transformers calls ``model_type``. A few families arrange fused projections in an order of their own,
which neither names nor shapes show.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from torch import nn

from htmu_diag.errors import InputError
from htmu_diag.plain_files import read_json

__all__ = ["Heads", "heads_beside", "heads_of"]

_QUERY = ("num_heads", "num_attention_heads", "n_heads", "n_head", "nhead", "heads")
_KEY = ("num_key_value_heads", "num_kv_heads", "n_kv_heads", "kv_heads", "kv_n_heads", "n_head_kv", "num_query_groups")
_SIZE = ("head_dim", "attention_head_size", "head_size", "key_value_proj_dim", "d_kv")
_EXPERTS = ("moe_num_experts", "num_local_experts", "num_experts", "n_routed_experts", "num_routed_experts")
_LEVELS = 3  # a linear map, its attention, its block: further up, another attention may be meant


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


def heads_of(modules: Sequence[nn.Module], given: bool | int = False) -> Heads:
    """Heads told by a module, those above it and their ``config``, nearest first; an int is the number of heads."""
    configs = [getattr(module, "config", None) for module in modules]
    pairs = zip(modules[:_LEVELS], configs, strict=False)
    holders = [_fields(holder) for pair in pairs for holder in pair if holder is not None]
    family = next((str(found) for config in configs if (found := getattr(config, "model_type", None))), "")
    query = _first(holders, _QUERY) if isinstance(given, bool) else given
    return Heads(query, _first(holders, _KEY), _first(holders, _SIZE), family, _first(holders, _EXPERTS))


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
    key = 1 if one_key_head else _first(holders, _KEY)
    return Heads(
        _first(holders, _QUERY),
        key,
        _first(holders, _SIZE),
        str(config.get("model_type", "")),
        _first(holders, _EXPERTS),
    )


def _fields(holder: Any) -> Mapping[str, Any]:
    """Of a module or a config: its attributes of these names, those that a config forwards to others included."""
    names: tuple[str, ...] = (*_QUERY, *_KEY, *_SIZE, *_EXPERTS)
    if (
        getattr(type(holder), "__getattr__", None) is nn.Module.__getattr__
    ):  # asking it for what it lacks takes 3 us each
        own = vars(holder)
        names = tuple(name for name in names if name in own or hasattr(type(holder), name))
    return {name: getattr(holder, name) for name in names if hasattr(holder, name)}


def _first(holders: Sequence[Mapping[str, Any]], names: Sequence[str]) -> int:
    found = (holder.get(name) for holder in holders for name in names)
    return next((n for n in found if isinstance(n, int) and not isinstance(n, bool) and n > 0), 0)
