"""A kernel and the targets: class-centring, kernel-target alignment, and the targets in the kernel's eigenbasis.

The alignment of K with Y Y^T is their cosine in the Frobenius product, <K, Y Y^T> / (|K| |Y Y^T|) (Cristianini et al.
2001); centred by H = I - 1 1^T / n on both sides unless told otherwise (Cortes, Mohri & Rostamizadeh 2012), since a
constant kernel aligns with anything whose mean is not zero.
"""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from htmu_diag.arguments import FLAG, checked, whole
from htmu_diag.errors import InputError
from htmu_diag.model.arguments import TENSOR

__all__ = ["TargetCoefficients", "class_centred", "kernel_target_alignment", "target_coefficients"]


@dataclass(frozen=True)
class TargetCoefficients:
    """The targets in the eigenbasis of K/n, as learning-curve predictions need them.

    values: (n,) eigenvalues of K/n, descending. coefficients: (n, C), u_k^T Y. power: (n,) the share of |Y|^2 in each
    eigenvector; its cumulative sum is the cumulative power distribution.
    """

    values: Tensor
    coefficients: Tensor
    power: Tensor


@checked(kernel=TENSOR, labels=TENSOR, outputs=whole(1))
def class_centred(kernel: Tensor, labels: Tensor, *, outputs: int = 1) -> Tensor:
    """P K P with P subtracting each class's mean feature: what is left of the kernel within classes.

    kernel: (n, n), or (n C, n C) with ``outputs`` = C (each output is centred by itself). labels: (n,) integers.
    """
    n = _samples(kernel, labels, outputs)
    member = torch.nn.functional.one_hot(labels.long() - labels.min().long()).to(kernel.device, kernel.dtype)
    counts = member.sum(0).clamp(min=1)
    blocks = kernel.reshape(n, outputs, -1)
    half = (blocks - torch.einsum("ik,k,jk,jcb->icb", member, 1 / counts, member, blocks)).reshape(n * outputs, -1)
    back = half.T.reshape(n, outputs, -1)
    return (back - torch.einsum("ik,k,jk,jcb->icb", member, 1 / counts, member, back)).reshape(n * outputs, -1).T


@checked(kernel=TENSOR, targets=TENSOR, centred=FLAG)
def kernel_target_alignment(kernel: Tensor, targets: Tensor, *, centred: bool = True) -> float:
    """The cosine between K and Y Y^T, in [-1, 1]; NaN where one of them is zero.

    kernel: (n, n). targets: (n, C) numbers, or (n,) class labels (integers), taken one-hot.
    """
    y = _as_targets(kernel, targets)
    k = kernel.double()
    if centred:
        y = y - y.mean(0)
        k = k - k.mean(0) - k.mean(1)[:, None] + k.mean()
    product = ((k @ y) * y).sum()
    return float(product / (k.norm() * (y.T @ y).norm()))


@checked(kernel=TENSOR, targets=TENSOR)
def target_coefficients(kernel: Tensor, targets: Tensor) -> TargetCoefficients:
    """Eigenvalues of K/n and the coefficients of the targets in its eigenvectors, largest eigenvalue first."""
    y = _as_targets(kernel, targets)
    values, vectors = torch.linalg.eigh(kernel.double() / len(kernel))
    coefficients = vectors.flip(1).T @ y
    power = coefficients.square().sum(1)
    return TargetCoefficients(values.flip(0), coefficients, power / power.sum())


def _samples(kernel: Tensor, labels: Tensor, outputs: int) -> int:
    if labels.ndim != 1 or labels.is_floating_point():
        raise InputError(f"labels: {tuple(labels.shape)} {labels.dtype}; pass one integer class for each sample")
    if kernel.shape != (len(labels) * outputs,) * 2:
        raise InputError(f"kernel: {tuple(kernel.shape)} for {len(labels)} labels and outputs={outputs}; they disagree")
    return len(labels)


def _as_targets(kernel: Tensor, targets: Tensor) -> Tensor:
    if kernel.shape != (len(targets),) * 2:
        raise InputError(f"kernel: {tuple(kernel.shape)} for {len(targets)} targets; use the trace kernel (n, n)")
    if targets.ndim == 1 and not targets.is_floating_point():
        targets = torch.nn.functional.one_hot(targets.long() - targets.min().long())
    return targets.reshape(len(targets), -1).to(kernel.device, torch.float64)
