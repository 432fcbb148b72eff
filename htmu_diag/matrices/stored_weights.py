"""Effective weights out of a checkpoint, where the parts of a parametrised weight lie side by side.

weight_norm: w = g v / |v|, the norm over the dimensions in which g has one entry. spectral_norm: w / (u^T W v), with
the stored u and v. Any other parametrisation needs the module's code: its raw part is skipped with that reason.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace

import torch

from htmu_diag.matrices.stored import StoredTensor

__all__ = ["with_effective_weights"]

_ALL = slice(None)
_PARAMETRIZED = re.compile(r"(?P<stem>(?P<path>(.+\.)?)parametrizations\.(?P<weight>[^.]+))\.original\d*")


def with_effective_weights(tensors: Mapping[str, StoredTensor]) -> Iterator[tuple[StoredTensor, str]]:
    """Each tensor with a reason to skip it ("" for none), parts of a weight behind the weight they make."""
    for name, tensor in tensors.items():
        whole, parts = _weight_made_of(name, tensors)
        if not whole:
            yield tensor, ""
        elif name != parts[0]:
            yield tensor, f"a part of the parametrised {whole}, measured whole"
        elif len(parts) == 1:
            yield tensor, f"a part of the parametrised {whole}; its rule is code: analyse the live model"
        else:
            yield _combined(whole, [tensors[part] for part in parts]), ""
            yield tensor, f"a part of the parametrised {whole}, measured whole"


def _weight_made_of(name: str, tensors: Mapping[str, StoredTensor]) -> tuple[str, list[str]]:
    """The weight that a tensor is a part of, and all its parts, the one of full shape first; ("", []) for none."""
    match = _PARAMETRIZED.fullmatch(name)
    if match:
        stem, whole = match["stem"], match["path"] + match["weight"]
        for parts in ([f"{stem}.original1", f"{stem}.original0"], [f"{stem}.original", f"{stem}.0._u", f"{stem}.0._v"]):
            if name in parts and all(part in tensors for part in parts):
                return whole, parts
        return whole, [name]
    for ending in ("_g", "_v", "_orig", "_u"):
        whole = name.removesuffix(ending)
        for parts in ([f"{whole}_v", f"{whole}_g"], [f"{whole}_orig", f"{whole}_u", f"{whole}_v"]):
            if name in parts and all(part in tensors for part in parts):
                return whole, parts
    return "", []


@dataclass(frozen=True)
class _Combined:
    parts: list[StoredTensor]

    def __call__(self, rows: slice) -> torch.Tensor:
        first, *others = [part.load(_ALL).double() for part in self.parts]
        return (_weight_norm(first, *others) if len(others) == 1 else _spectral_norm(first, *others))[rows]


def _combined(name: str, parts: list[StoredTensor]) -> StoredTensor:
    return replace(parts[0], name=name, load=_Combined(parts), dtype=torch.float64, identity=None)


def _weight_norm(v: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    dims = [index for index, side in enumerate(g.shape) if side == 1]
    scale: torch.Tensor = g / torch.linalg.vector_norm(v, dim=dims, keepdim=True)
    return v * scale


def _spectral_norm(weight: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    matrix = (weight if len(u) == weight.shape[0] else weight.transpose(0, 1)).flatten(1)
    return weight / (u @ matrix @ v)
