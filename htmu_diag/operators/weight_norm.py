"""Weight normalisation written out, w = g v / |v|, while second derivatives are taken.

PyTorch's fused ``torch._weight_norm`` fails its own gradgradcheck (2.14, CPU): its second derivative is wrong without a
word, and so is every Hessian taken through it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch.overrides import TorchFunctionMode

__all__ = ["WrittenOut", "has_weight_norm"]


class WrittenOut(TorchFunctionMode):
    """Inside, ``torch._weight_norm`` is a quotient whose derivatives of every order are right."""

    def __torch_function__(self, func: Callable[..., Any], types: Any, args: Any = (), kwargs: Any = None) -> Any:
        return (_quotient if func is torch._weight_norm else func)(*args, **(kwargs or {}))


def has_weight_norm(model: torch.nn.Module) -> bool:
    """Whether a module is weight-normalised, by parametrization or by the older hook."""
    hooks = (hook for module in model.modules() for hook in module._forward_pre_hooks.values())
    names = {type(module).__name__ for module in model.modules()} | {type(hook).__name__ for hook in hooks}
    return bool(names & {"_WeightNorm", "WeightNorm"})


def _quotient(v: torch.Tensor, g: torch.Tensor, dim: int = 0) -> torch.Tensor:
    others = [axis for axis in range(v.ndim) if axis != dim % v.ndim] if dim != -1 else list(range(v.ndim))
    norm: torch.Tensor = torch.linalg.vector_norm(v, dim=others, keepdim=True)
    return v * (g / norm)
