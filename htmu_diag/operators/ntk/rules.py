"""Rules: how a layer's per-sample Jacobian follows from its input and its output gradients alone.

A rule is a function of (module, attribute, input, gradients) that returns a ``Piece``. ``input`` is (N, ...),
``gradients`` is (N, C, ...): the gradient of each output with respect to the layer's output. Parameters without
a rule, and those for which a rule fails its check on two samples (``survey``), are differentiated with torch.func.
"""

from __future__ import annotations

from collections.abc import Callable

import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.modules.conv import _ConvNd
from torch.nn.modules.instancenorm import _InstanceNorm

from htmu_diag.operators.ntk.pieces import Factors, Piece, Rows

__all__ = ["Rule", "regroup", "rule_for"]

Rule = Callable[[nn.Module, str, Tensor, Tensor], Piece]


def rule_for(module: nn.Module) -> Rule | None:
    """The rule of a module's class, None where there is none."""
    for kinds, rule in _RULES:
        if isinstance(module, kinds):
            return rule
    return _linear_transposed if type(module).__name__ == "Conv1D" and hasattr(module, "nf") else None


def regroup(piece: Piece, n: int) -> Piece:
    """A piece of N = n * m rows as one of n samples with m times the positions (windows folded into the batch)."""
    if isinstance(piece, Rows):
        values = piece.values
        return piece if values.shape[0] == n else Rows(torch.unflatten(values, 0, (n, -1)).sum(1))
    if piece.right.shape[0] == n:
        return piece
    left = piece.left.reshape(n, -1) if piece.size else _merge_positions(piece.left, n)
    return Factors(left, _merge_positions(piece.right, n), piece.size, piece.left_varies)


def _merge_positions(side: Tensor, n: int) -> Tensor:
    return torch.unflatten(side, 0, (n, -1)).permute(0, 2, 3, 1, 4, 5).flatten(3, 4)


def _linear(module: nn.Module, attribute: str, inputs: Tensor, gradients: Tensor) -> Piece:
    at_positions = gradients.flatten(2, -2) if gradients.ndim > 3 else torch.unflatten(gradients, 2, (1, -1))
    if attribute == "bias":
        return Rows(at_positions.squeeze(2) if at_positions.shape[2] == 1 else at_positions.sum(2))
    return Factors(at_positions[:, :, None], inputs.reshape(inputs.shape[0], 1, 1, -1, inputs.shape[-1]))


def _linear_transposed(module: nn.Module, attribute: str, inputs: Tensor, gradients: Tensor) -> Piece:
    """The Conv1D of GPT-2 style models: y = x W with W (in, out)."""
    piece = _linear(module, attribute, inputs, gradients)
    return piece if isinstance(piece, Rows) else Factors(piece.right, piece.left, left_varies=False)


def _conv(module: nn.Module, attribute: str, inputs: Tensor, gradients: Tensor) -> Piece:
    assert isinstance(module, _ConvNd)
    flat = gradients.flatten(3)
    if attribute == "bias":
        return Rows(flat.sum(-1))
    patches = _patches(module, inputs)
    left = torch.unflatten(flat, 2, (module.groups, -1)).transpose(-1, -2)
    return Factors(left, torch.unflatten(patches, 1, (1, module.groups, -1)).transpose(-1, -2))


def _patches(module: _ConvNd, inputs: Tensor) -> Tensor:
    """The receptive field of every output position, (N, in * kernel, T), channel-major as the weight is."""
    mode = "constant" if module.padding_mode == "zeros" else module.padding_mode
    padded = F.pad(inputs, module._reversed_padding_repeated_twice, mode=mode)
    if isinstance(module, nn.Conv2d):
        size = (module.kernel_size[0], module.kernel_size[1])
        return F.unfold(padded, size, dilation=module.dilation, stride=module.stride)
    windows = padded
    for axis, (size_, step, gap) in enumerate(zip(module.kernel_size, module.stride, module.dilation, strict=True)):
        windows = _windows(windows, 2 + axis, size_, step, gap)
    kernels, positions = range(-len(module.kernel_size), 0), range(2, 2 + len(module.kernel_size))
    ordered = windows.permute(0, 1, *(windows.ndim + axis for axis in kernels), *positions)
    spatial = len(module.kernel_size)
    return ordered.flatten(2 + spatial).flatten(1, 1 + spatial)


def _windows(inputs: Tensor, axis: int, size: int, step: int, gap: int) -> Tensor:
    """Windows along an axis, their offsets as a new last axis."""
    count = (inputs.shape[axis] - gap * (size - 1) - 1) // step + 1
    starts = torch.arange(count, device=inputs.device) * step
    index = starts[:, None] + torch.arange(size, device=inputs.device) * gap
    picked = inputs.index_select(axis, index.flatten())
    return torch.unflatten(picked, axis, (count, size)).movedim(axis + 1, -1)


def _embedding(module: nn.Module, attribute: str, inputs: Tensor, gradients: Tensor) -> Piece:
    assert isinstance(module, nn.Embedding)
    index = inputs.reshape(inputs.shape[0], -1)
    right = gradients.flatten(2, -2) if gradients.ndim > 3 else torch.unflatten(gradients, 2, (1, -1))
    if module.padding_idx is not None:
        right = right * (index != module.padding_idx)[:, None, :, None]
    return Factors(index, right[:, :, None], module.num_embeddings, left_varies=False)


def _batch_norm(module: nn.Module, attribute: str, inputs: Tensor, gradients: Tensor) -> Piece:
    assert isinstance(module, _BatchNorm)
    scaled = F.batch_norm(inputs, module.running_mean, module.running_var, eps=module.eps)
    return _channelwise(attribute, scaled, gradients)


def _group_norm(module: nn.Module, attribute: str, inputs: Tensor, gradients: Tensor) -> Piece:
    assert isinstance(module, nn.GroupNorm)
    return _channelwise(attribute, F.group_norm(inputs, module.num_groups, eps=module.eps), gradients)


def _instance_norm(module: nn.Module, attribute: str, inputs: Tensor, gradients: Tensor) -> Piece:
    assert isinstance(module, _InstanceNorm)
    mean, variance = module.running_mean, module.running_var
    live = module.training or mean is None
    scaled = F.instance_norm(inputs, mean, variance, use_input_stats=live, momentum=0.0, eps=module.eps)
    return _channelwise(attribute, scaled, gradients)


def _channelwise(attribute: str, scaled: Tensor, gradients: Tensor) -> Piece:
    product = gradients if attribute == "bias" else gradients * scaled[:, None]
    return Rows(product.flatten(3).sum(-1) if product.ndim > 3 else product)


def _layer_norm(module: nn.Module, attribute: str, inputs: Tensor, gradients: Tensor) -> Piece:
    shape: tuple[int, ...] = tuple(module.normalized_shape)  # type: ignore[arg-type]
    product = gradients
    if attribute == "weight":
        product = gradients * _normalise(module, inputs, shape)[:, None]
    leading = product.ndim - len(shape)
    return Rows(product.flatten(leading).reshape(*product.shape[:2], -1, shape_size(shape)).sum(2))


def _normalise(module: nn.Module, inputs: Tensor, shape: tuple[int, ...]) -> Tensor:
    if isinstance(module, nn.LayerNorm):
        return F.layer_norm(inputs, shape, eps=module.eps)
    assert isinstance(module, nn.RMSNorm)
    return F.rms_norm(inputs, shape, eps=module.eps)


def shape_size(shape: tuple[int, ...]) -> int:
    """Number of elements of an array of that shape."""
    return int(torch.Size(shape).numel())


_RULES: tuple[tuple[type[nn.Module] | tuple[type[nn.Module], ...], Rule], ...] = (
    (nn.Linear, _linear),
    ((nn.Conv1d, nn.Conv2d, nn.Conv3d), _conv),
    (nn.Embedding, _embedding),
    (_InstanceNorm, _instance_norm),
    (_BatchNorm, _batch_norm),
    (nn.GroupNorm, _group_norm),
    ((nn.LayerNorm, nn.RMSNorm), _layer_norm),
)
