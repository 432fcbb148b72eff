"""A pickle as plain data: what it names is neither imported nor called nor changed.

A pickle is a program for a small stack machine. Python's own reader runs it against Python's own objects: it imports
what the program names, calls it, and sets attributes on it, on classes too. Here the same program is run against
stand-ins that are made for this one file and can do nothing: a name becomes `Name`, what would have been made becomes
`Made`. Nesting, the stack and numbers are bounded, so that no pickle exhausts the machine.
"""

from __future__ import annotations

import io
import pickle
import pickletools
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

from htmu_diag.matrices.pickle_keys import Keys, memo_slot

__all__ = ["DamagedPickle", "Made", "Name", "plain_pickle"]

_STACK = 1_000_000  # values waiting at once; Python's writer leaves a few thousand
_DIGITS = 64  # bytes of a whole number
_MARK = object()
_FAULTS = (IndexError, TypeError, ValueError, KeyError, AttributeError, OverflowError)


class DamagedPickle(pickle.UnpicklingError):
    """A pickle that is no whole program, or that asks for more than is given."""


@dataclass(frozen=True)
class Name:
    """A class or function that a pickle names: "torch.Size"."""

    text: str


@dataclass(eq=False, slots=True)
class Made:
    """What a pickle would have made: by what, from which arguments, with which state. Equal to itself only."""

    by: Any
    arguments: Any = ()
    state: Any = None


def plain_pickle(
    data: bytes | io.BytesIO, known: Callable[[str], bool] = lambda name: True, made: list[Made] | None = None
) -> Any:
    """The value of the first pickle in ``data``, in dicts, lists, tuples, texts, numbers, `Name` and `Made`.

    known: whether a name may occur. made: gets everything that the program makes, in its order, also what it throws
    away: a reader that runs the program makes that too. Raises pickle.UnpicklingError with the name where it may not
    occur, or would be changed, and `DamagedPickle` for one that is damaged or too deep.

    >>> plain_pickle(pickle.dumps({"a": [1, (2.0, "b")]}))
    {'a': [1, (2.0, 'b')]}
    """
    machine = _Machine(known, [] if made is None else made)
    try:
        for opcode, argument, _ in pickletools.genops(data):
            if opcode.name == "STOP":
                return machine.pop()
            machine.run(opcode.name, argument)
    except _FAULTS as error:
        raise DamagedPickle(f"a damaged pickle ({error})") from error
    raise DamagedPickle("a pickle without an end")


class _Machine:
    def __init__(self, known: Callable[[str], bool], made: list[Made]) -> None:
        self._made = made
        self._stack: list[Any] = []
        self._memo: dict[int, Any] = {}
        self._known = known
        self._key = Keys()

    def pop(self) -> Any:
        value = self._stack.pop()
        if value is _MARK:
            raise ValueError("a mark where a value belongs")
        return value

    def run(self, name: str, argument: Any) -> None:
        if name in _WRITTEN:
            self._push(_bounded(argument))
        elif name in _EMPTY:
            self._push(_EMPTY[name]())
        elif name in _TUPLES:
            self._push(tuple([self.pop() for _ in range(_TUPLES[name])][::-1]))
        elif name.endswith("PERSID"):
            self._make(Name("persistent id"), self.pop() if name == "BINPERSID" else argument)
        elif name.endswith("GET"):
            self._push(self._memo[memo_slot(argument)])
        elif name.endswith("PUT") or name == "MEMOIZE":
            self._memo[len(self._memo) if argument is None else memo_slot(argument)] = self._stack[-1]
        elif name not in ("PROTO", "FRAME"):
            action = _ACTIONS.get(name)
            if action is None:
                raise ValueError(f"{name} is refused")
            action(self, argument)

    def _push(self, value: Any) -> None:
        if len(self._stack) >= _STACK:
            raise ValueError("too many values at once")
        self._stack.append(value)

    def _since_mark(self) -> list[Any]:
        values: list[Any] = []
        while (value := self._stack.pop()) is not _MARK:
            values.append(value)
        return values[::-1]

    def _name(self, module: Any, name: Any) -> None:
        if not (isinstance(module, str) and isinstance(name, str)):
            raise TypeError("a name that is no text")
        text = f"{module}.{name}"
        if not self._known(text):
            raise pickle.UnpicklingError(text)
        self._push(Name(text))

    def _global(self, argument: str) -> None:
        self._name(*argument.split(" ", 1))

    def _stack_global(self, _: Any) -> None:
        name, module = self.pop(), self.pop()
        self._name(module, name)

    def _make(self, by: Any, arguments: Any) -> None:
        if not isinstance(by, Name):
            raise TypeError("something made by what is no name")
        self._made.append(Made(by, arguments))
        self._push(self._made[-1])

    def _reduce(self, _: Any) -> None:
        arguments, by = self.pop(), self.pop()
        self._make(by, arguments)

    def _new_with_keywords(self, _: Any) -> None:
        keywords, arguments, by = self.pop(), self.pop(), self.pop()
        self._make(by, (arguments, keywords))

    def _inst(self, argument: str) -> None:
        values = self._since_mark()
        self._global(argument)
        self._make(self.pop(), tuple(values))

    def _obj(self, _: Any) -> None:
        by, *values = self._since_mark()
        self._make(by, tuple(values))

    def _build(self, _: Any) -> None:
        state, made = self.pop(), self._stack[-1]
        if not isinstance(made, Made):
            raise pickle.UnpicklingError(f"it changes {made.text if isinstance(made, Name) else type(made).__name__}")
        made.state = state

    def _append(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Made):  # a list of its own kind: an OrderedDict's or a deque's items
            return
        target.extend(values)

    def _add(self, values: list[Any]) -> None:
        self._stack[-1].update(map(self._key, values))

    def _set(self, values: list[Any]) -> None:
        target = self._stack[-1]
        if isinstance(target, Made):  # an OrderedDict: its items are its state
            target.state = {} if target.state is None else target.state
            target = target.state
        for key, value in _pairs(values):
            target[self._key(key)] = value

    def _dict(self, _: Any) -> None:
        self._push({self._key(key): value for key, value in _pairs(self._since_mark())})

    def _frozenset(self, _: Any) -> None:
        self._push(frozenset(map(self._key, self._since_mark())))


def _pairs(values: list[Any]) -> Iterator[tuple[Any, Any]]:
    return zip(values[::2], values[1::2], strict=True)


def _bounded(value: Any) -> Any:
    if isinstance(value, int) and value.bit_length() > 8 * _DIGITS:
        raise ValueError("a number of too many digits")
    return value


_EMPTY: dict[str, Callable[[], Any]] = {
    "NONE": lambda: None,
    "NEWTRUE": lambda: True,
    "NEWFALSE": lambda: False,
    "EMPTY_TUPLE": tuple,
    "EMPTY_LIST": list,
    "EMPTY_DICT": dict,
    "EMPTY_SET": set,
}
_WHOLE = {"INT", "BININT", "BININT1", "BININT2", "LONG", "LONG1", "LONG4"}
_TEXTS = {"STRING", "BINSTRING", "SHORT_BINSTRING", "UNICODE", "BINUNICODE", "SHORT_BINUNICODE", "BINUNICODE8"}
_BYTES = {"BINBYTES", "SHORT_BINBYTES", "BINBYTES8", "BYTEARRAY8"}
_WRITTEN = frozenset({"FLOAT", "BINFLOAT"} | _WHOLE | _TEXTS | _BYTES)
_TUPLES = {"TUPLE1": 1, "TUPLE2": 2, "TUPLE3": 3}
_ACTIONS: dict[str, Callable[[_Machine, Any], Any]] = {
    "MARK": lambda m, _: m._push(_MARK),
    "POP": lambda m, _: m._stack.pop(),
    "POP_MARK": lambda m, _: m._since_mark(),
    "DUP": lambda m, _: m._push(m._stack[-1]),
    "TUPLE": lambda m, _: m._push(tuple(m._since_mark())),
    "LIST": lambda m, _: m._push(m._since_mark()),
    "FROZENSET": _Machine._frozenset,
    "DICT": _Machine._dict,
    "APPEND": lambda m, _: m._append([m.pop()]),
    "APPENDS": lambda m, _: m._append(m._since_mark()),
    "ADDITEMS": lambda m, _: m._add(m._since_mark()),
    "SETITEM": lambda m, _: m._set([m.pop(), m.pop()][::-1]),
    "SETITEMS": lambda m, _: m._set(m._since_mark()),
    "GLOBAL": _Machine._global,
    "STACK_GLOBAL": _Machine._stack_global,
    "REDUCE": _Machine._reduce,
    "NEWOBJ": _Machine._reduce,
    "NEWOBJ_EX": _Machine._new_with_keywords,
    "INST": _Machine._inst,
    "OBJ": _Machine._obj,
    "BUILD": _Machine._build,
}
