"""What a public function may be given, said beside it: one sentence for each value that it cannot take.

``@checked(bootstrap=whole(), rng=optional(GENERATOR))`` looks at arguments before the function sees them; a class with
parameters calls `check_fields`. Arrays are read by `real_array`. A rule that is kept costs about a microsecond.
"""

from __future__ import annotations

import functools
import inspect
import math
import numbers
import os
import reprlib
import sys
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

import numpy as np
import numpy.typing as npt

from htmu_diag.errors import InputError

__all__ = [
    "FLAG",
    "GENERATOR",
    "GLOBS",
    "PATH",
    "RATIO",
    "Rule",
    "XMIN",
    "check_fields",
    "checked",
    "either",
    "globs_of",
    "having",
    "instance",
    "masked_entries",
    "one_of",
    "optional",
    "real",
    "real_array",
    "rules_of",
    "several",
    "whole",
]

P = ParamSpec("P")
R = TypeVar("R")
Floats = npt.NDArray[np.float64]
_MANY = 10**9  # of anything that is counted: replicates, steps, samples; beyond it a typing error


@dataclass(frozen=True)
class Rule:
    """words: what to pass, after "pass". holds: whether a value is that."""

    words: str
    holds: Callable[[Any], bool]

    def __call__(self, name: str, value: Any) -> None:
        """Raises InputError where the value is another."""
        if not self.holds(value):
            raise InputError(f"{name} = {_shown(value)} cannot be taken; pass {self.words}")


def _shown(value: Any) -> str:
    """A value on one line, of bounded length; by its type where it does not say itself."""
    if isinstance(value, int | float | complex | str | type(None)):
        try:
            return reprlib.repr(value)
        except ValueError:  # an integer of more digits than Python prints
            return "an integer of thousands of digits"
    shape = getattr(value, "shape", None)
    return f"a {type(value).__name__}" + ("" if shape is None or isinstance(value, type) else f" of shape {shape}")


def _is_real(value: Any) -> bool:
    return type(value) is float or (not isinstance(value, bool) and isinstance(value, numbers.Real))


def whole(low: int = 0, high: int = _MANY) -> Rule:
    """A whole number from low to high; True is none."""

    def holds(value: Any) -> bool:
        return not isinstance(value, bool) and isinstance(value, numbers.Integral) and low <= int(value) <= high

    upto = "on" if high == _MANY else f"to {high:,}"
    return Rule(f"a whole number from {low} {upto}", holds)


def real(low: float = -math.inf, high: float = math.inf, *, above: bool = False, infinite: bool = False) -> Rule:
    """A number from low to high; above: without low itself; infinite: also plus infinity."""

    def holds(value: Any) -> bool:
        try:
            number = float(value) if _is_real(value) else math.nan
        except OverflowError:
            return False
        inside = (number > low if above else number >= low) and number <= high
        return inside and (infinite or math.isfinite(number))

    if above and low == 0 and high == math.inf:
        return Rule("a positive number" if infinite else "a positive and finite number", holds)
    ends = [f"above {low:g}" if above else f"from {low:g} on"] if low > -math.inf else []
    ends += [f"up to {high:g}"] if high < math.inf else []
    return Rule(" ".join(["a finite number" if not infinite else "a number", *ends]), holds)


def one_of(*choices: str) -> Rule:
    """One of these words."""
    *others, last = [repr(choice) for choice in choices]
    return Rule(
        f"{', '.join(others)} or {last}" if others else last, lambda value: isinstance(value, str) and value in choices
    )


def instance(words: str, *types: Any) -> Rule:
    """A value of one of these types."""
    return Rule(words, lambda value: isinstance(value, types))


def having(words: str, *names: str) -> Rule:
    """A value with these attributes."""
    return Rule(words, lambda value: not isinstance(value, type) and all(hasattr(value, name) for name in names))


def several(words: str, *names: str) -> Rule:
    """A list (or tuple) of values with these attributes."""
    one = having("", *names)
    return Rule(words, lambda value: isinstance(value, list | tuple) and all(one.holds(item) for item in value))


def either(*rules: Rule) -> Rule:
    """What one of the rules takes."""
    return Rule(", or ".join(rule.words for rule in rules), lambda value: any(rule.holds(value) for rule in rules))


def optional(rule: Rule) -> Rule:
    """None, or what the rule takes."""
    return Rule(f"{rule.words}, or None", lambda value: value is None or rule.holds(value))


def _globs(value: Any) -> bool:
    if isinstance(value, str):
        return True
    return isinstance(value, Sequence | frozenset | set) and all(isinstance(glob, str) for glob in value)


def _is_path(value: Any) -> bool:
    """Longer names are refused by file systems, with an error where a question whether they exist was asked."""
    if not isinstance(value, str | os.PathLike):
        return False
    text = os.fspath(value)
    return isinstance(text, str) and "\0" not in text and all(len(os.fsencode(part)) < 256 for part in text.split("/"))


FLAG = Rule("True or False", lambda value: isinstance(value, bool | np.bool_))
GENERATOR = instance("numpy.random.default_rng(seed)", np.random.Generator)
PATH = Rule("a path, whose parts have at most 255 bytes and no NUL", _is_path)
RATIO = Rule("the matrix's smaller side over the larger, in (0, 1]", real(0, 1, above=True).holds)
XMIN = Rule("the start of the tail, a positive and finite number", real(0, above=True).holds)
GLOBS = Rule("one glob or a list of them, such as 'blocks.*'", _globs)


def globs_of(globs: str | Iterable[str], name: str = "include") -> tuple[str, ...]:
    """One glob or several as a tuple. Raises InputError for anything else."""
    GLOBS(name, globs)
    return (globs,) if isinstance(globs, str) else tuple(globs)


def checked(**rules: Rule) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function whose arguments of these names are looked at first. What Python itself refuses stays a TypeError."""

    def wrap(function: Callable[P, R]) -> Callable[P, R]:
        signature = inspect.signature(function)
        positions = [(rules.get(name), name) for name in signature.parameters]
        assert set(rules) <= set(signature.parameters), f"{function.__name__}: a rule for no parameter"

        @functools.wraps(function)
        def call(*args: P.args, **kwargs: P.kwargs) -> R:
            for value, (rule, name) in zip(args, positions, strict=False):
                if rule is not None:
                    rule(name, value)
            for name, value in kwargs.items():
                if name in rules:
                    rules[name](name, value)
            return function(*args, **kwargs)

        call.__rules__ = rules  # type: ignore[attr-defined]
        return call

    return wrap


def check_fields(owner: Any, **rules: Rule) -> None:
    """The same for the attributes of a value that was just made; one glob becomes a tuple of one."""
    for name, rule in rules.items():
        value = getattr(owner, name)
        if not rule.holds(value):
            rule(f"{type(owner).__name__}: {name}", value)
        if rule is GLOBS and isinstance(value, str):
            object.__setattr__(owner, name, (value,))


def rules_of(function: Callable[..., Any]) -> dict[str, Rule]:
    """The rules of a function, by parameter; empty where it has none."""
    found: dict[str, Rule] = getattr(function, "__rules__", {})
    return found


def real_array(values: Any, name: str = "values") -> Floats:
    """A float64 array of any shape. Raises InputError for what is none, and for masked and complex values."""
    if type(values) is np.ndarray and values.dtype == np.float64:
        return values
    if count := masked_entries(values):
        raise InputError(f"{count} of {values.size} {name} are masked; pass {name}.compressed()")
    try:
        array = np.asarray(_detached(values))
    except (ValueError, TypeError, RuntimeError, OverflowError) as error:
        raise InputError(f"{name} are no array ({error}); pass a flat list of real numbers") from None
    if array.dtype.kind not in "fiub" and array.size:
        raise InputError(f"{name} of type {array.dtype} cannot be used; pass real numbers")
    return array.astype(np.float64)


def masked_entries(values: Any) -> int:
    """Of an array. Whoever has such an array has imported numpy.ma, which takes as long as ten fits."""
    masks = sys.modules.get("numpy.ma")
    return int(masks.getmaskarray(values).sum()) if masks and isinstance(values, masks.MaskedArray) else 0


def _detached(values: Any) -> Any:
    """A tensor without its gradient, on the CPU, in a type that numpy knows; anything else as it is."""
    if not hasattr(values, "detach"):
        return values
    tensor = values.detach().cpu()
    known = any(str(tensor.dtype).endswith(kind) for kind in ("float16", "float32", "float64"))
    return tensor.float() if tensor.is_floating_point() and (not known or "bfloat16" in str(tensor.dtype)) else tensor
