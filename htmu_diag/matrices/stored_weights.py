"""Effective weights out of a checkpoint, where the parts of a computed weight lie side by side.

weight_norm: w = g v / |v|, the norm over the dimensions in which g has one entry. spectral_norm: w / (u^T W v), with
the stored u and v. Pruning: w times its mask. 8-bit codes: times their scales. Any other parametrisation needs the
module's code: its raw part is skipped with that reason.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

from htmu_diag.matrices.scales import CODES, SCALES, scaled
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.matrices.stored_type import stored_type
from htmu_diag.model.torch_values import as_tensor

if TYPE_CHECKING:
    import torch

__all__ = ["with_effective_weights"]

_ALL = slice(None)
_PARAMETRIZED = re.compile(
    r"(?P<stem>(?P<path>(.+\.)?)parametrizations\.(?P<weight>[^.]+))\.(?P<raw>original\d*|0\._[uv]|\d+\.base)"
)
Combine = Callable[..., "torch.Tensor"]


@dataclass(frozen=True)
class _Recipe:
    """A weight, the names of the tensors it is made of (the one of its shape first), and how; None: by code."""

    whole: str
    parts: tuple[str, ...]
    combine: Combine | None


def with_effective_weights(tensors: Mapping[str, StoredTensor]) -> Iterator[tuple[StoredTensor, str]]:
    """Each tensor with a reason to skip it ("" for none), parts of a weight behind the weight they make."""
    for name, tensor in tensors.items():
        recipe = _recipe(name, tensors)
        if recipe is None:
            yield tensor, ""
        elif recipe.combine is None:
            yield tensor, f"a part of the parametrised {recipe.whole}; its rule is code: analyse the live model"
        else:
            if name == recipe.parts[0]:
                yield _combined(recipe, [tensors[part] for part in recipe.parts]), ""
            if name != recipe.whole:
                yield tensor, f"a part of the parametrised {recipe.whole}, measured whole"


def _recipe(name: str, tensors: Mapping[str, StoredTensor]) -> _Recipe | None:
    """The recipe of which a tensor is a part, None for an ordinary tensor."""
    found = next((r for r in _recipes(name) if name in r.parts and all(part in tensors for part in r.parts)), None)
    if found and found.combine is scaled and str(tensors[found.whole].dtype) not in CODES:
        return None
    match = _PARAMETRIZED.fullmatch(name)
    if found or match is None or match["raw"].startswith("0._"):
        return found
    return _Recipe(match["path"] + match["weight"], (name,), None)


def _recipes(name: str) -> Iterator[_Recipe]:
    """The recipes that a name may belong to."""
    match = _PARAMETRIZED.fullmatch(name)
    if match:
        stem, whole = match["stem"], match["path"] + match["weight"]
        yield _Recipe(whole, (f"{stem}.original1", f"{stem}.original0"), _weight_norm)
        yield _Recipe(whole, (f"{stem}.original", f"{stem}.0._u", f"{stem}.0._v"), _spectral_norm)
    for ending in ("_g", "_v", "_orig", "_u", "_mask"):
        whole = name.removesuffix(ending)
        yield _Recipe(whole, (f"{whole}_v", f"{whole}_g"), _weight_norm)
        yield _Recipe(whole, (f"{whole}_orig", f"{whole}_u", f"{whole}_v"), _spectral_norm)
        yield _Recipe(whole, (f"{whole}_orig", f"{whole}_mask"), _masked)
    path, _, last = name.rpartition(".")
    for scale in SCALES if last == "weight" or last in SCALES else ():
        codes, scales = (f"{path}.{part}".lstrip(".") for part in ("weight", scale))
        yield _Recipe(codes, (codes, scales), scaled)


@dataclass(frozen=True)
class _Combined:
    combine: Combine
    parts: list[StoredTensor]

    def __call__(self, rows: slice) -> torch.Tensor:
        return self.combine(*(as_tensor(part.load(_ALL)) for part in self.parts))[rows]


def _combined(recipe: _Recipe, parts: list[StoredTensor]) -> StoredTensor:
    assert recipe.combine is not None
    refusal = next((part.refusal for part in parts if part.refusal), "")
    load = _Combined(recipe.combine, parts)
    return replace(parts[0], name=recipe.whole, load=load, dtype=stored_type("float32"), identity=None, refusal=refusal)


def _masked(weight: torch.Tensor, mask: torch.Tensor) -> torch.Tensor:
    return weight * mask


def _weight_norm(v: torch.Tensor, g: torch.Tensor) -> torch.Tensor:
    import torch  # both are its tensors

    dims = [index for index, side in enumerate(g.shape) if side == 1] if g.ndim == v.ndim else None
    scale: torch.Tensor = g.double() / torch.linalg.vector_norm(
        v, dim=dims, keepdim=dims is not None, dtype=torch.float64
    )
    return v * scale.to(torch.promote_types(v.dtype, torch.float32))


def _spectral_norm(weight: torch.Tensor, u: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    """Weight over u^T W v, W with the outputs in front: the second dimension of a transposed convolution.

    Where both dimensions fit u, the wrong orientation gives less, since u and v are singular vectors of the right one.
    """
    sides = [side for side in (0, 1) if weight.shape[side] == len(u)]
    norms = [u @ weight.movedim(side, 0).flatten(1) @ v for side in sides]
    return weight / max(norms, key=float)
