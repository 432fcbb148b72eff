"""What a pickle asks torch's reader to make: the storages that it claims, and what costs more than it is long.

The functions that ``weights_only`` lets a file call run no code of the file, but some make memory from a number, and
one encodes text in any of Python's encodings, of which some take time with the square of its length.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from htmu_diag.matrices.plain_pickle import Made, Name
from htmu_diag.safe_text import safe_text

__all__ = ["claims_of", "refuse_costly"]

_SIZES = {"Double": 8, "Long": 8, "ComplexFloat": 8, "Float": 4, "Int": 4, "QInt32": 4, "ComplexDouble": 16}
_SIZES |= {"Half": 2, "BFloat16": 2, "Short": 2}  # a byte for all others
_BUFFERS = re.compile(r"(builtins|__builtin__)\.bytearray|torch\.([\w.]+\.)?\w*(Tensor|Storage)")
_ENCODINGS = ("latin1", "latin-1")  # how bytes are written in a pickle of protocol 2


def claims_of(made: Iterable[Made]) -> dict[str, int]:
    """The bytes that each storage is said to have, the most where it is named more than once.

    made: all that the program makes, as `plain_pickle` gives it. Raises ValueError as `refuse_costly`, and for a
    storage that is none.
    """
    claimed: dict[str, int] = {}
    made = list(made)
    refuse_costly(made)
    for one in made:
        if one.by == Name("persistent id"):
            kind, storage, key, _, count, *_ = one.arguments
            if kind != "storage":
                raise ValueError("it refers to what is no storage")
            claimed[str(key)] = max(claimed.get(str(key), 0), int(count) * _item_size(storage))
    return claimed


def refuse_costly(made: Iterable[Made]) -> None:
    """Raises ValueError for what takes more memory or time than the file is long."""
    for one in made:
        if isinstance(one.by, Name) and _costs(one.by.text, one.arguments):
            raise ValueError(f"{safe_text(one.by.text)} is asked for more than the file holds")


def _costs(called: str, arguments: Any) -> bool:
    given = arguments if isinstance(arguments, tuple) else ()
    if called == "_codecs.encode":
        return given[1:] not in [(name,) for name in _ENCODINGS]
    if called.startswith("numpy.") and called.endswith(".multiarray.scalar"):
        return len(given) != 2 or given[1] is None
    return _BUFFERS.fullmatch(called) is not None and any(map(_is_number, given))


def _is_number(value: Any) -> bool:
    """Whether a length may be meant: a number, or what holds or makes one."""
    return not isinstance(value, str | bytes | Name) and not _is_text(value)


def _is_text(value: Any) -> bool:
    return isinstance(value, Made) and value.by == Name("_codecs.encode")


def _item_size(storage: Any) -> int:
    name = storage.text.rpartition(".")[2] if isinstance(storage, Name) else ""
    return _SIZES.get(name.removesuffix("Storage"), 1)
