"""Data held in memory, and batches that depend only on (seed, step).

Because a batch is a function of the step, a resumed run sees the batches that an uninterrupted one would have.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Protocol

import torch

__all__ = ["Batch", "Dataset", "Samples", "epoch_indices", "step_generator"]

Batch = tuple[torch.Tensor, torch.Tensor]


class Dataset(Protocol):
    """What the loop asks of data."""

    @property
    def shape(self) -> tuple[int, ...]:
        """Shape of one input: (colours, side, side), or (context,) for text."""
        ...

    @property
    def outputs(self) -> int:
        """Number of classes, or of characters."""
        ...

    def batch(self, step: int, size: int, seed: int) -> Batch:
        """The training batch of a step."""
        ...

    def head(self, size: int) -> Batch:
        """The first training samples, the same at every call: the batch of the probes."""
        ...

    def test_batches(self, size: int) -> list[Batch]:
        """All held-out data."""
        ...

    def to(self, device: torch.device, dtype: torch.dtype) -> Dataset:
        """The same data on a device, inputs in this dtype where they are real numbers."""
        ...


@dataclass(frozen=True)
class Samples:
    """Labelled samples: inputs (n, colours, side, side) float, targets (n,) int64, for training and for testing."""

    inputs: torch.Tensor
    targets: torch.Tensor
    test_inputs: torch.Tensor
    test_targets: torch.Tensor
    outputs: int
    augment: bool = False

    @property
    def shape(self) -> tuple[int, ...]:
        return tuple(self.inputs.shape[1:])

    def batch(self, step: int, size: int, seed: int) -> Batch:
        chosen = epoch_indices(len(self.inputs), step, size, seed).to(self.inputs.device)
        inputs = self.inputs[chosen]
        if self.augment:
            inputs = _crop_and_flip(inputs, step_generator(seed, step))
        return inputs, self.targets[chosen]

    def head(self, size: int) -> Batch:
        return self.inputs[:size], self.targets[:size]

    def test_batches(self, size: int) -> list[Batch]:
        return list(zip(torch.split(self.test_inputs, size), torch.split(self.test_targets, size), strict=True))

    def to(self, device: torch.device, dtype: torch.dtype) -> Samples:
        return replace(
            self,
            inputs=self.inputs.to(device, dtype),
            targets=self.targets.to(device),
            test_inputs=self.test_inputs.to(device, dtype),
            test_targets=self.test_targets.to(device),
        )


def step_generator(seed: int, step: int) -> torch.Generator:
    """A generator that depends on the pair only."""
    return torch.Generator().manual_seed((seed * 1_000_003 + step) % 2**63)


def epoch_indices(samples: int, step: int, size: int, seed: int) -> torch.Tensor:
    """Indices (<= size,) of the samples of a step: an epoch is one permutation, its ragged end dropped."""
    size = min(size, samples)
    epoch, place = divmod(step, samples // size)
    return _order(samples, epoch, seed)[place * size : (place + 1) * size]


@lru_cache(maxsize=4)
def _order(samples: int, epoch: int, seed: int) -> torch.Tensor:
    """The permutation of an epoch, made once for all of its steps."""
    return torch.randperm(samples, generator=step_generator(seed + 1, epoch))


def _crop_and_flip(images: torch.Tensor, generator: torch.Generator, margin: int = 4) -> torch.Tensor:
    """Each batch is shifted by up to ``margin`` pixels (reflected at the border); each image is mirrored or not."""
    side = images.shape[-1]
    padded = torch.nn.functional.pad(images, (margin,) * 4, mode="reflect")
    down, right = torch.randint(2 * margin + 1, (2,), generator=generator).tolist()
    cropped = padded[..., down : down + side, right : right + side]
    mirrored = (torch.rand(len(images), generator=generator) < 0.5).to(images.device)
    return torch.where(mirrored[:, None, None, None], cropped.flip(-1), cropped)
