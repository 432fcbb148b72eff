"""One sentence for a broken contract, whether the object answers wrongly or raises."""

from __future__ import annotations

from types import TracebackType

__all__ = ["attempt", "demand", "demand_object"]


class attempt:
    """A call of the object under test: what it raises becomes AssertionError with call, error and what is wanted."""

    def __init__(self, thing: object, call: str, wants: str, *, but: type[Exception] | tuple[()] = ()) -> None:
        """but: errors that the contract itself looks at; they pass."""
        self._thing, self._call, self._wants, self._but = thing, call, wants, but

    def __enter__(self) -> None:
        """Nothing is prepared."""

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, _: TracebackType | None) -> None:
        if isinstance(error, Exception) and not isinstance(error, self._but):
            line = next(iter(str(error).splitlines()), "no words")
            sentence = f"{self._call} raises {type(error).__name__} ({line}); {self._wants}"
            raise AssertionError(f"{_name(self._thing)}: {sentence}") from error


def demand(holds: bool, thing: object, sentence: str) -> None:
    """Raises AssertionError, also under ``python -O``, where the sentence does not hold."""
    if not holds:
        raise AssertionError(f"{_name(thing)}: {sentence}")


def demand_object(thing: object) -> None:
    """A class has the methods of its objects; it is told before one of them is called."""
    demand(not isinstance(thing, type), thing, "is a class; pass an object of it")


def _name(thing: object) -> str:
    return thing.__name__ if isinstance(thing, type) else type(thing).__name__
