"""How matrices may be chosen and cut, as rules of `htmu_diag.arguments`."""

from __future__ import annotations

from typing import get_args

from htmu_diag.arguments import FLAG, GLOBS, either, one_of, whole
from htmu_diag.matrices.layout import Conv

__all__ = ["CUT"]

CUT = {
    "include": GLOBS,
    "exclude": GLOBS,
    "min_side": whole(0, 2**62),
    "conv": one_of(*get_args(Conv)),
    "heads": either(FLAG, whole(1)),
    "fused": FLAG,
}
