"""The conjugate kernel: Gram matrices of a network's activations, and how its data and features are correlated.

With Phi (n, d) the activations of a layer on n samples, the conjugate kernel is Phi Phi^T / d; the feature matrix Phi
is what is returned. The covariance is that of the layer's channels over samples and positions, the one whose decay
measures the correlation in the data as the layer sees it.
"""

from __future__ import annotations

from collections.abc import Container, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from fnmatch import fnmatchcase
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _NormBase
from torch.nn.modules.conv import _ConvNd

from htmu_diag.arguments import GLOBS, checked, whole
from htmu_diag.errors import InputError, MeasurementError
from htmu_diag.model.arguments import BYTES, MODULE, OUTPUT
from htmu_diag.model.names import clean_paths
from htmu_diag.operators.sample_function import Output, SampleFunction, pick_output

__all__ = ["Features", "conjugate_kernel"]


_Activation = tuple[Tensor, int]  # with a row for each sample, and its channel axis


@dataclass(frozen=True)
class Features:
    """The activations of one layer. matrix: (n, d). covariance: (channels, channels), centred, over ``count`` rows."""

    name: str
    matrix: Tensor
    covariance: Tensor
    count: int

    @property
    def kernel(self) -> Tensor:
        """The conjugate kernel Phi Phi^T / d, (n, n)."""
        return self.matrix @ self.matrix.T / self.matrix.shape[1]


@checked(model=MODULE, layers=GLOBS, chunk=whole(1), memory=BYTES, output=OUTPUT)
def conjugate_kernel(
    model: nn.Module,
    inputs: Any,
    *,
    layers: str | Sequence[str] = "*",
    chunk: int = 128,
    memory: int = 2_000_000_000,
    output: Output = pick_output,
) -> dict[str, Features]:
    """The features of every layer by module name, and of the inputs under "inputs", in one forward pass.

    layers: globs on the names of modules without children ("model" where the model itself is one). A module that
    returns no tensor with a row for each sample is left out; a module that is called twice counts with its last call.
    chunk: samples in one forward pass. memory: bytes of activations that may be held. Raises InputError where no layer
    matches, MeasurementError where the activations do not fit or hold NaN (naming the layer).
    """
    function = SampleFunction(model, inputs, output)
    globs = (layers,) if isinstance(layers, str) else tuple(layers)
    paths = clean_paths(function.model)
    leaves = {paths[path] or "model": m for path, m in function.model.named_modules() if not any(m.children())}
    chosen = {name: module for name, module in leaves.items() if any(fnmatchcase(name, glob) for glob in globs)}
    if not chosen:
        raise InputError(f"layers={layers!r}: no layer has such a name; there are {', '.join(list(leaves)[:8])}")
    held, axes, twins = {name: _Held() for name in chosen}, _Axes(), dict[str, str]()
    for start in range(0, function.n, chunk):
        stop = min(start + chunk, function.n)
        with torch.no_grad(), _activations(leaves, chosen, stop - start, axes) as found:
            function(start, stop)
        twins = _twins(found) if start == 0 else twins
        for name in [name for name, first in twins.items() if not _alike(found.get(name), found.get(first))]:
            held[name] = held[twins.pop(name)].copy()
        for name, (activation, axis) in found.items():
            if name not in twins:
                held[name].put(name, start, activation, axis)
        _refuse_too_much(held, memory)
    for name, tensor in function.tensors():
        if tensor.is_floating_point() and tensor.ndim > 1:
            held[name] = _Held()
            held[name].put(name, 0, tensor, axes.of(tensor))
    features = {name: part.features(name) for name, part in held.items() if part.count}
    features |= {name: replace(features[first], name=name) for name, first in twins.items()}
    return {name: features[name] for name in held if name in features}


class _Axes:
    """Which axis of an activation is the channel: told by the modules that know, and by shape for those that do not.

    Convolutions and norms of images take and give channels at axis 1; what has the shape of such an input or output
    (ReLU, dropout, the input itself) is read alike. Else: axis 1 from four axes on, the last one below.
    """

    def __init__(self) -> None:
        self._known: dict[torch.Size, int] = {}

    def see(self, module: nn.Module, *tensors: Any) -> None:
        """Learn from a module's input and output."""
        kinds = (_ConvNd, _NormBase, nn.GroupNorm, nn.Linear, nn.LayerNorm, nn.RMSNorm, nn.Embedding)
        if isinstance(module, kinds):
            axis = 1 if isinstance(module, kinds[:3]) else -1
            self._known |= {tensor.shape[1:]: axis for tensor in tensors if isinstance(tensor, Tensor)}

    def of(self, activation: Tensor) -> int:
        """The channel axis."""
        return self._known.get(activation.shape[1:], 1 if activation.ndim > 3 else -1)


@contextmanager
def _activations(
    modules: Mapping[str, nn.Module], chosen: Container[str], rows: int, axes: _Axes
) -> Iterator[dict[str, _Activation]]:
    """Outputs of the chosen modules with one row for each sample and their channel axes, while the context is open.

    What equals the last one is the same tensor: dropout at rest gives what it is given.
    """
    found: dict[str, _Activation] = {}
    last: list[Tensor] = []
    handles = []
    for name, module in modules.items():

        def hook(module: nn.Module, args: Any, output: Any, name: str = name) -> None:
            axes.see(module, *args[:1], output)
            usable = (
                isinstance(output, Tensor) and output.ndim > 1 and len(output) == rows and output.is_floating_point()
            )
            if name in chosen and usable:
                if not (last and _equal(output, last[0])):
                    last[:] = [output.detach().clone()]
                found[name] = last[0], axes.of(output)

        handles.append(module.register_forward_hook(hook))
    try:
        yield found
    finally:
        for handle in handles:
            handle.remove()


def _equal(one: Tensor, other: Tensor) -> bool:
    return (one.shape, one.dtype, one.device) == (other.shape, other.dtype, other.device) and torch.equal(one, other)


def _twins(found: Mapping[str, _Activation]) -> dict[str, str]:
    """Layers that gave what an earlier one gave, and that one: both are looked at once."""
    firsts: dict[tuple[int, int], str] = {}
    named = {name: firsts.setdefault((id(activation), axis), name) for name, (activation, axis) in found.items()}
    return {name: first for name, first in named.items() if name != first}


def _alike(one: _Activation | None, other: _Activation | None) -> bool:
    return one is other or (one is not None and other is not None and one[0] is other[0] and one[1] == other[1])


@dataclass
class _Held:
    """Activations of one layer as they come in: the rows, and float64 moments of the channels."""

    rows: list[Tensor] = field(default_factory=list)
    count: int = 0
    total: Tensor | None = None
    second: Tensor | None = None

    def copy(self) -> _Held:
        return replace(self, rows=[*self.rows])

    @property
    def bytes(self) -> int:
        return sum(row.numel() * row.element_size() for row in self.rows)

    def put(self, name: str, start: int, activation: Tensor, axis: int) -> None:
        self.rows.append(activation.flatten(1))
        channels = activation.movedim(axis, -1).flatten(0, -2).double()
        total, second = channels.sum(0), _second_moments(channels)
        if not torch.isfinite(second.diagonal()).all():
            bad = (~torch.isfinite(self.rows[-1])).any(1).nonzero().flatten()
            if len(bad):
                raise MeasurementError(f"{name}: activations of sample {start + int(bad[0])} are NaN or infinite")
        self.total = total if self.total is None else self.total + total
        self.second = second if self.second is None else self.second + second
        self.count += len(channels)

    def features(self, name: str) -> Features:
        assert self.total is not None
        assert self.second is not None
        mean, rows = self.total / self.count, self.rows[0] if len(self.rows) == 1 else torch.cat(self.rows)
        return Features(name, rows, (self.second / self.count).sub_(torch.outer(mean, mean)), self.count)


def _second_moments(channels: Tensor) -> Tensor:
    """X^T X; on a CPU numpy sees that half of it is enough."""
    if channels.device.type != "cpu":
        return channels.T @ channels
    array = channels.numpy()
    with np.errstate(all="ignore"):  # NaN and infinite activations are reported by the caller, by name
        return torch.from_numpy(array.T @ array)


def _refuse_too_much(held: Mapping[str, _Held], memory: int) -> None:
    total = sum(part.bytes for part in held.values())
    if total > memory:
        largest = max(held, key=lambda name: held[name].bytes)
        raise MeasurementError(
            f"{largest}: the activations held reach {total / 1e6:.0f} MB of {memory / 1e6:.0f} MB; choose fewer "
            "layers= or samples, or a larger memory="
        )
