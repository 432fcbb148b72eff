"""Single-precision products computed in single precision: no TF32, no bfloat16 passes, until they are put back.

torch may round the factors of a float32 product to ten bits (by default so in cuDNN's convolutions). A step of a
training survives that; the rounding of a Hessian product, 1e-3 in place of 1e-7, would be taken for its spectrum.

Since 2.9 torch has two sets of switches, and reading one after the other was set is an error: the older ones are used
wherever they can be read, since code inside a model may read them as well.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch

__all__ = ["full_precision"]


def full_precision() -> Callable[[], None]:
    """Switch the reduced precisions off; the function that comes back puts every switch as it was found."""
    switches: list[Any] = [switch for switch in _switches() if hasattr(switch, "fp32_precision")]
    held = [switch.fp32_precision for switch in switches]
    older = _older()
    if older is None:
        for switch in switches:
            switch.fp32_precision = "ieee"
    else:
        _set_older("highest", False)

    def restore() -> None:
        if older is not None:
            _set_older(*older)
        for switch, precision in zip(switches, held, strict=True):
            switch.fp32_precision = precision

    return restore


def _switches() -> list[Any]:
    cudnn, mkldnn = torch.backends.cudnn, torch.backends.mkldnn
    found = [torch.backends.cuda.matmul]
    return found + [
        getattr(home, name) for home in (cudnn, mkldnn) for name in ("conv", "rnn", "matmul") if hasattr(home, name)
    ]


def _older() -> tuple[str, bool] | None:
    """The older switches, None where the newer ones were set and these cannot be read."""
    try:
        return torch.get_float32_matmul_precision(), torch.backends.cudnn.allow_tf32
    except RuntimeError:
        return None


def _set_older(products: str, convolutions: bool) -> None:
    torch.set_float32_matmul_precision(products)
    torch.backends.cudnn.allow_tf32 = convolutions
