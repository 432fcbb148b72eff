"""Python's full garbage collection, before a training in place of within it.

It goes through all that was ever imported (350,000 objects with torch: 0.2 s, with Python's lock) once a quarter more
of objects have come and stayed. A training makes none that stay, but importing may have left nearly as many as that,
and then a snapshot is soon the one too many.
"""

from __future__ import annotations

import functools
import gc

__all__ = ["collect_once"]

MANY = 2**20  # objects, half a second; who holds more may never see that quarter


@functools.cache
def collect_once() -> None:
    """Once in a process, where Python collects by itself: what was imported counts as looked through from then on."""
    if gc.isenabled() and len(gc.get_objects()) <= MANY:
        gc.collect()
