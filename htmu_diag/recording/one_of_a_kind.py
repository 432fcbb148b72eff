"""What stands for a run that goes on: a copy of it is itself, and no file can hold it."""

from __future__ import annotations

from typing import NoReturn

from typing_extensions import Self

__all__ = ["OneOfAKind"]


class OneOfAKind:
    """A copy of what holds a monitor (a model, a callback) holds the same one: there is one run, counted once."""

    def __copy__(self) -> Self:
        return self

    def __deepcopy__(self, memo: object) -> Self:
        return self

    def __reduce__(self) -> NoReturn:
        """Raises TypeError, as for any open file: callers who try what can be pickled know it."""
        raise TypeError(
            f"a {type(self).__name__} cannot be pickled: it writes a run that goes on in this process; keep it outside "
            "of what is saved or sent (of a model: no attribute), and call watch(..., start_step=...) where it is read"
        )
