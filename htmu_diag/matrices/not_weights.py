"""Tensors of two or more dimensions that multiply nothing: masks, tables, stacked biases and norms, parts of codes.

A name tells most of them; a mask with a name of its own is told by its two values. Floats beside integer codes of one
module are what the codes stand on (scales, zero points, codebooks), whatever a library calls them.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass
from math import prod

import numpy as np

from htmu_diag.matrices.projections import is_expert
from htmu_diag.matrices.stored import RELEASE_BYTES, StoredTensor, byte_size
from htmu_diag.model.torch_values import on_host
from htmu_diag.narrow import widened

__all__ = ["Codes", "codes_by_module", "holds_two_values", "is_moment", "no_weight", "part_of_codes"]

_MASK = re.compile(r"(^|[._])(mask|tril|triu)\d*$|(attn|attention)\.(masked_)?bias$", re.IGNORECASE)
_TABLE = re.compile(
    r"(^|[._])(((inv_)?freqs?(_cis|_complex)?)|((cos|sin)(_cached?|_table)?)|((rel|relative)_\w*(index|bucket|table|coords))"
    r"|(rotary\w*)|(anchors?|grid|window|mel_(basis|fb|filters)|fb|dct|hann\w*))\d*$",
    re.IGNORECASE,
)
_NORM = re.compile(r"(^|_)(norm|ln|layer_?norm|rms_?norm|batch_?norm|bn)(_?\w{1,3})?$", re.IGNORECASE)
_MOMENT = re.compile(  # what an optimizer keeps for each parameter
    r"(max_)?exp_avg(_\w+)?|exp_inf|momentum_buf(fer)?|square_avg|grad_avg|acc_delta|prev_grad"
)
_SCALE_OF_NORM = frozenset({"scale", "gamma", "g", "beta"})
_CODES = frozenset(f"torch.{name}" for name in ("int8", "uint8", "int16", "uint16", "int32", "uint32"))
_NO_CODES = re.compile(r"mask|bias|position|perm|order|count|tracked|token", re.IGNORECASE)
_INDICES = re.compile(r"ind(ex|ices)?$|idx|ids?$", re.IGNORECASE)  # of a lookup table, or of anything else
_LOOKED_UP = re.compile(
    r"lut|look_?up|code_?book|(^|_)table|palette|centroid|cent(er|re)s?$|cluster|levels?$|scale|zeros?|absmax|quant",
    re.IGNORECASE,
)
_PACKED = re.compile(r"weight|packed|codes|quant", re.IGNORECASE)
_WEIGHTS = frozenset({"weight", "in_proj_weight", "kernel"})  # beside codes they are a layer of their own
_LEAST = 64  # entries: a handful of equal ones is chance or a fresh start


def is_moment(name: str) -> bool:
    """Whether the last part of a name is what optimizers call a moment: they never multiply anything.

    >>> is_moment("opt.state.0.exp_avg_sq"), is_moment("fc.weight")
    (True, False)
    """
    return bool(_MOMENT.fullmatch(name.rpartition(".")[2]))


def no_weight(name: str, shape: tuple[int, ...]) -> str:
    """Why a tensor of two or more dimensions is no weight by its name, "" where it may be one."""
    path, _, last = name.rpartition(".")
    if is_moment(name):
        return "the state of an optimizer, not a weight"
    if _MASK.search(name):
        return "a causal mask, not a weight" if last.endswith("bias") else "a mask, not a weight"
    if _TABLE.search(name):
        return "a table of positions or frequencies, not a weight"
    if "bias" in last and len(shape) == 2:
        return (
            "biases of the experts, one row each" if is_expert(name) else "biases, one row each: nothing is multiplied"
        )
    owner = path.rpartition(".")[2]
    if len(shape) == 2 and ((last in _SCALE_OF_NORM and _NORM.search(owner)) or _NORM.search(last)):
        return "scales of stacked norms, one row each"
    return ""


@dataclass(frozen=True)
class Codes:
    """The integer codes of a module; ``sure``: they are none but codes, by their name. bits: of one of them."""

    name: str
    sure: bool
    bits: int

    def looks_up(self, last: str, shape: tuple[int, ...]) -> bool:
        """Whether floats of that name and shape are what the codes choose from: by the name, or by a row for each."""
        return self.sure or bool(_LOOKED_UP.search(last)) or (self.bits == 8 and bool({16, 256} & set(shape)))


def codes_by_module(tensors: Iterable[StoredTensor]) -> dict[str, Codes]:
    """Path of each module that holds integer codes -> those; what may be indices too only where nothing else is."""
    found: dict[str, Codes] = {}
    for tensor in tensors:
        path, _, last = tensor.name.rpartition(".")
        told = path or _PACKED.search(last)  # names without a path share no module
        bits = 8 * tensor.dtype.itemsize
        several = len(tensor.shape) > 1 or (bits == 8 and byte_size(tensor.shape, tensor.dtype) >= _LEAST)
        if told and several and str(tensor.dtype) in _CODES and not tensor.refusal and not _NO_CODES.search(last):
            codes = Codes(tensor.name, not _INDICES.search(last), bits)
            if path not in found or codes.sure > found[path].sure:
                found[path] = codes
    return found


def part_of_codes(tensor: StoredTensor, codes: dict[str, Codes]) -> str:
    """Why floats beside integer codes are no weights, "" where there are no codes."""
    path, _, last = tensor.name.rpartition(".")
    beside = codes.get(path)
    wide = len(tensor.shape) > 1 and (tensor.dtype.is_floating_point or tensor.dtype.is_complex)
    if beside is None or beside.name == tensor.name or not wide or last in _WEIGHTS:
        return ""
    if not beside.looks_up(last, tensor.shape):
        return ""
    kind = "scales" if "scale" in last else "zeros or a codebook"
    return f"{kind} of the quantised {beside.name}"


def holds_two_values(tensor: StoredTensor) -> bool:
    """True for a mask: exactly two values in all entries. Reads a row, and the rest only where the row has two.

    -a and a are no mask: they are the weights of a binary network.
    """
    small = byte_size(tensor.shape, tensor.dtype) <= RELEASE_BYTES
    if tensor.refusal or not small or 0 in tensor.shape or prod(tensor.shape) < _LEAST:
        return False
    for rows in (slice(0, 1), slice(None)):
        values = on_host(tensor.load(rows)).reshape(-1)
        parts = [values.real, values.imag] if np.iscomplexobj(values) else [widened(values, np.float64)]
        found = np.concatenate(parts)
        low, high = found.min(), found.max()
        if not ((found == low) | (found == high)).all():
            return False
    return bool(low < high and low != -high)
