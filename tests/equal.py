"""Equality of results that may hold NaN: Python 3.13 compares the fields of a dataclass, earlier ones their tuple."""

from __future__ import annotations

import dataclasses


def same(found: object, wanted: object) -> bool:
    """Whether two results of plain numbers are of one type and equal to the last bit, NaN beside NaN."""
    return type(found) is type(wanted) and repr(_fields(found)) == repr(_fields(wanted))


def _fields(result: object) -> object:
    return dataclasses.asdict(result) if dataclasses.is_dataclass(result) and not isinstance(result, type) else result
