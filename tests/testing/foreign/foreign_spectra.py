"""A probe with a kind and a number of its own, a law, a sink, a format and a command: what another package writes."""

import math
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch

from htmu_diag.analysis import Quantity
from htmu_diag.errors import InputError
from htmu_diag.fits import ks_distance
from htmu_diag.kinds import Kind
from htmu_diag.laws import ContinuousLaw
from htmu_diag.matrices import StoredTensor
from htmu_diag.spectrum import Source, Spectrum


@dataclass(frozen=True)
class Triangle(ContinuousLaw):
    """Density 2 x on (0, 1): lengths of points in a disc."""

    def support(self):
        return 0.0, 1.0

    def mean(self):
        return 2 / 3

    def var(self):
        return 1 / 18

    def _logpdf(self, x):
        return np.log(2 * x)

    def _cdf(self, x):
        return x**2

    def _sf(self, x):
        return (1 - x) * (1 + x)


class Lengths:
    """Sorted lengths of the rows of every matrix, over the longest."""

    name, needs, kinds = "row_lengths", frozenset({"model"}), (Kind("row_lengths", lower_tail=True),)
    quantities = (Quantity("triangle_ks", "D_tri", "1", 0, math.inf, "KS distance to a triangle.", "tri", mean="mean"),)

    def __init__(self, power=1.0):
        self.power = power

    def measure(self, context):
        for name, weight in context.model.named_parameters():
            if weight.ndim == 2:
                lengths = weight.detach().double().norm(dim=1).numpy() ** self.power
                values, source = lengths / lengths.max(), Source(self.kinds[0], name, weight.shape, context.step, "1")
                yield Spectrum.exact(values, source, scalars={"triangle_ks": ks_distance(values, Triangle())})


class Tally:
    """Counts the numbers of each step in a text file."""

    def __init__(self, folder: Path):
        self.path = folder / "tally.txt"

    def open(self, run, *, start_step):
        self.path.touch()

    def write(self, record):
        self.path.open("a").write(f"{record.step} {sorted(record.metrics())}\n")

    def close(self):
        pass


def read(path: Path):
    """A text of numbers, a row a line, is one matrix."""
    try:
        rows = torch.from_numpy(np.loadtxt(path, ndmin=2))
    except ValueError as error:
        raise InputError(f"{path}: {error}; write it again") from error
    yield StoredTensor("weight", tuple(rows.shape), rows.dtype, lambda wanted: rows[wanted])


def dig(words):
    """``htmu dig WORD...``"""
    print("dug", *words)
    return 3
