"""The global random generators of Python, numpy and torch, left where they were: imports draw from them too."""

from __future__ import annotations

import gc
import random
import sys
from collections.abc import Iterator
from contextlib import contextmanager

__all__ = ["uncollected", "undisturbed"]


@contextmanager
def undisturbed() -> Iterator[None]:
    """After the block each generator is as it was before; libraries that are not imported yet are not imported here."""
    of_python = random.getstate()
    numpy, torch = sys.modules.get("numpy"), sys.modules.get("torch")
    of_numpy = None if numpy is None else numpy.random.get_state()
    of_torch = None if torch is None else torch.get_rng_state()
    try:
        yield
    finally:
        random.setstate(of_python)
        if numpy is not None:
            numpy.random.set_state(of_numpy)
        if torch is not None:
            torch.set_rng_state(of_torch)


@contextmanager
def uncollected() -> Iterator[None]:
    """The collector of reference cycles rests in the block, as is right for imports: what they make stays, and a pass
    over all that torch holds takes a third of a second.
    """
    collecting = gc.isenabled()
    gc.disable()
    try:
        yield
    finally:
        if collecting:
            gc.enable()
