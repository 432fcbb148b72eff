"""What wraps a model and how its parameters lie: the one rule for names, operators, the monitor and offline analysis.

``torch.compile`` holds the module as ``_orig_mod``, FSDP1 as ``_fsdp_wrapped_module``, activation checkpointing as
``_checkpoint_wrapped_module``, autocast engines as ``_forward_module``; DDP and DataParallel as ``module``. Of FSDP2
and tensor parallelism nothing wraps the model: its parameters are DTensors. A process that has no DTensor has not
imported ``torch.distributed.tensor`` (0.4 s of CPU time: sympy), and it is not imported to ask.
"""

from __future__ import annotations

import sys
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any, cast

from htmu_diag.errors import MeasurementError
from htmu_diag.model.torch_values import is_module, is_of, is_tensor
from htmu_diag.model.walk import modules_of, parameters_of

if TYPE_CHECKING:
    import torch

__all__ = ["INNER", "is_replicated", "is_sharded", "local_part", "require_whole", "unwrap"]

INNER = frozenset({"_orig_mod", "_fsdp_wrapped_module", "_checkpoint_wrapped_module", "_forward_module"})


def is_replicated(module: object) -> bool:
    """Whether it is DDP or DataParallel."""
    return any(is_of(module, "torch.nn.parallel", kind) for kind in ("DistributedDataParallel", "DataParallel"))


def unwrap(model: torch.nn.Module) -> torch.nn.Module:
    """The module inside all wrappers around it: the same parameters under their own names.

    >>> import torch
    >>> inner = torch.nn.Linear(2, 1)
    >>> unwrap(torch.nn.DataParallel(inner)) is inner
    True
    """
    while True:
        held = model._modules
        inner: Any = next((held[name] for name in sorted(INNER) if name in held), None)
        inner = model.module if inner is None and is_replicated(model) else inner
        if not is_module(inner):
            return model
        model = inner


def is_sharded(of: torch.nn.Module | torch.Tensor | Iterable[torch.Tensor]) -> bool:
    """Whether a tensor, or a parameter of a module, is spread over ranks: reading it whole is then a collective."""
    if is_tensor(of):
        return _is_dtensor(of)
    if _dtensor() is None:
        return False
    tensors: Iterable[Any] = parameters_of(modules_of(of)) if is_module(of) else cast("Iterable[Any]", of)
    return any(map(_is_dtensor, tensors))


def require_whole(model: torch.nn.Module) -> None:
    """For what runs on one rank: products with a sharded model are collective. Raises MeasurementError."""
    if is_sharded(model):
        raise MeasurementError("it needs whole parameters, and this model's are sharded; measure a replicated model")


def local_part(tensor: torch.Tensor) -> torch.Tensor:
    """This rank's shard; a tensor that is not sharded as it is."""
    return tensor.to_local() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def _is_dtensor(tensor: Any) -> bool:
    kind = _dtensor()
    return kind is not None and isinstance(tensor, kind)


def _dtensor() -> Any:
    return getattr(sys.modules.get("torch.distributed.tensor"), "DTensor", None)
