"""Text that is on every machine: the source code of the Python standard library, character by character."""

from __future__ import annotations

import sysconfig
from dataclasses import dataclass, replace
from pathlib import Path

import torch

from htmu_diag.config import DataConfig
from htmu_diag.training.datasets.base import Batch, step_generator

__all__ = ["Text", "stdlib_text"]

VOCABULARY = 128  # ASCII; other characters are left out
CHARACTERS = 4_000_000  # of the 10 million or so in the library's top-level modules
TEST_SEQUENCES = 256


@dataclass(frozen=True)
class Text:
    """Characters for training and held out, (n,) int64 each; a sample is a window of ``context``."""

    train: torch.Tensor
    test: torch.Tensor
    context: int
    outputs: int = VOCABULARY

    @property
    def shape(self) -> tuple[int, ...]:
        return (self.context,)

    def batch(self, step: int, size: int, seed: int) -> Batch:
        last = len(self.train) - self.context - 1
        starts = torch.randint(last + 1, (size,), generator=step_generator(seed, step))
        return self._windows(self.train, starts)

    def head(self, size: int) -> Batch:
        size = min(size, (len(self.train) - 1) // self.context)
        return self._windows(self.train, torch.arange(size) * self.context)

    def test_batches(self, size: int) -> list[Batch]:
        count = min(TEST_SEQUENCES, (len(self.test) - 1) // self.context)
        starts = torch.arange(count) * self.context
        return [self._windows(self.test, part) for part in torch.split(starts, size)]

    def to(self, device: torch.device, dtype: torch.dtype) -> Text:
        return replace(self, train=self.train.to(device), test=self.test.to(device))

    def _windows(self, text: torch.Tensor, starts: torch.Tensor) -> Batch:
        places = (starts[:, None] + torch.arange(self.context + 1)).to(text.device)
        windows = text[places]
        return windows[:, :-1], windows[:, 1:]


def stdlib_text(config: DataConfig) -> Text:
    """The library's top-level modules in order of name; the last share is held out. data.samples counts characters."""
    text = _source(config.samples or CHARACTERS)
    held_out = max(config.context + 1, round(config.test_fraction * len(text)))
    return Text(text[:-held_out], text[-held_out:], config.context)


def _source(characters: int) -> torch.Tensor:
    parts: list[bytes] = []
    size = 0
    for path in sorted(Path(sysconfig.get_paths()["stdlib"]).glob("*.py")):
        parts.append(path.read_text(encoding="utf-8", errors="ignore").encode("ascii", errors="ignore"))
        size += len(parts[-1])
        if size >= characters:
            break
    return torch.frombuffer(bytearray(b"".join(parts)[:characters]), dtype=torch.uint8).long()
