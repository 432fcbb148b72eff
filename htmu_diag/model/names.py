"""Names of parameters without the prefixes that wrappers add.

``torch.compile`` adds ``_orig_mod.``, FSDP ``_fsdp_wrapped_module.``, activation checkpointing
``_checkpoint_wrapped_module.``, and DDP, DataParallel and DeepSpeed a leading ``module.``. A curve keeps its name when
a model is wrapped, unwrapped or read back from a checkpoint.
"""

from __future__ import annotations

import fnmatch
from collections.abc import Sequence
from typing import TYPE_CHECKING

from htmu_diag.arguments import checked, instance
from htmu_diag.model.wrappers import INNER, is_replicated

if TYPE_CHECKING:
    import torch

__all__ = ["clean_name", "clean_parameters", "clean_paths", "selected"]


@checked(name=instance("a name", str))
def clean_name(name: str) -> str:
    """A parameter's name without wrapper prefixes.

    >>> clean_name("module._orig_mod.blocks.0._fsdp_wrapped_module.fc1.weight")
    'blocks.0.fc1.weight'
    """
    parts = [part for part in name.split(".") if part not in INNER]
    while len(parts) > 1 and parts[0] == "module":
        parts = parts[1:]
    return ".".join(parts)


def clean_paths(module: torch.nn.Module) -> dict[str, str]:
    """Path of each submodule (as in ``named_modules`` with duplicates) -> its path without wrappers."""
    tree = dict(module.named_modules(remove_duplicate=False))
    wrapped = {f"{path}.module".lstrip(".") for path, child in tree.items() if _only_wraps(child)}
    return {path: _without(path, wrapped) for path in tree}


def clean_parameters(module: torch.nn.Module) -> dict[str, str]:
    """Name of each parameter (as in ``named_parameters``) -> its name without wrappers, also those further in.

    >>> import torch
    >>> from torch.optim.swa_utils import AveragedModel
    >>> net = torch.nn.ModuleDict({"ema": AveragedModel(torch.nn.Linear(2, 1))})
    >>> list(clean_parameters(net).values())
    ['ema.weight', 'ema.bias']
    """
    paths = clean_paths(module)
    split = ((name, *name.rpartition(".")) for name, _ in module.named_parameters())
    return {name: f"{paths[path]}.{own}".lstrip(".") for name, path, _, own in split}


def _only_wraps(module: torch.nn.Module) -> bool:
    """True for DDP and DataParallel, and for an engine that holds nothing but a child called ``module``."""
    alone = [name for name, _ in module.named_children()] == ["module"] and not module._parameters
    return alone or is_replicated(module)


def _without(path: str, wrapped: set[str]) -> str:
    parts = path.split(".")
    kept = [part for i, part in enumerate(parts) if part not in INNER and ".".join(parts[: i + 1]) not in wrapped]
    return ".".join(kept)


def selected(name: str, patterns: str | Sequence[str]) -> bool:
    """True where a glob matches the name or one of its leading paths: "blocks.0" selects a whole block."""
    parts = name.split(".")
    paths = [".".join(parts[:end]) for end in range(1, len(parts) + 1)]
    globs = (patterns,) if isinstance(patterns, str) else patterns
    return any(fnmatch.fnmatchcase(path, glob) for glob in globs for path in paths)
