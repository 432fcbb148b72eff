"""The factor s = alpha / r with which a low-rank adapter enters the weight; alpha / sqrt(r) if rank-stabilised.

A live layer tells it in ``scaling`` (peft: a number for each adapter; loralib: one number). A checkpoint tells it by a
scalar ``alpha`` beside the factors (image models), or by the ``adapter_config.json`` beside the weights (peft).
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from htmu_diag.errors import InputError
from htmu_diag.matrices.lora_patterns import Patterns
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.model.names import clean_paths
from htmu_diag.model.torch_values import on_host
from htmu_diag.narrow import widened
from htmu_diag.plain_files import read_json

if TYPE_CHECKING:
    import torch

__all__ = ["Scale", "live_scale", "stored_scale", "unknown_scale"]

Scale = Callable[[str, str, int], float | None]  # (layer, adapter, rank) -> s, None where it is not known


def unknown_scale(layer: str, adapter: str, rank: int) -> float | None:
    """No scale is known."""
    return None


def live_scale(module: torch.nn.Module) -> Scale:
    """The scales that the layers of a module tell."""
    paths = clean_paths(module)
    told = {paths[path]: getattr(m, "scaling", None) for path, m in module.named_modules(remove_duplicate=False)}

    def scale(layer: str, adapter: str, rank: int) -> float | None:
        found = told.get(layer)
        found = found.get(adapter) if isinstance(found, Mapping) else found
        return float(found) if isinstance(found, int | float) else None

    return scale


def stored_scale(path: Path | None, tensors: Mapping[str, StoredTensor]) -> Scale:
    """The scales that a checkpoint tells; ``path`` is None for tensors that were given."""
    config = {} if path is None else _config_beside(path)
    patterns = Patterns(config.get("alpha_pattern"))

    def scale(layer: str, adapter: str, rank: int) -> float | None:
        stored = tensors.get(f"{layer}.alpha")
        if stored is not None and not stored.shape and rank:
            return float(widened(on_host(stored.load(slice(None))), np.float64)) / rank
        special = patterns.found(layer)
        alpha = special if special is not None else config.get("lora_alpha") if patterns.readable else None
        return _over(alpha, math.sqrt(rank) if config.get("use_rslora") else rank)

    return scale


def _over(alpha: object, rank: float) -> float | None:
    """alpha / rank; None where one of them is no number that can be divided."""
    if not isinstance(alpha, int | float) or not rank:
        return None
    try:
        return float(alpha) / rank
    except OverflowError:
        return None


def _config_beside(path: Path) -> Mapping[str, Any]:
    file = (path if path.is_dir() else path.parent) / "adapter_config.json"
    try:
        config = read_json(file)
    except (OSError, InputError):
        return {}
    return config if isinstance(config, dict) else {}
