"""The nearest right word for a wrong one: by meaning where others call the same thing otherwise, else by spelling."""

from __future__ import annotations

import difflib
import functools
import inspect
from collections.abc import Callable, Collection, Iterable, Mapping
from typing import ParamSpec, TypeVar

__all__ = ["answering", "answering_fields", "did_you_mean", "near_steps", "nearest", "unexpected"]

P = ParamSpec("P")
R = TypeVar("R")

_CUTOFF = 0.6  # of difflib: its own default


def nearest(word: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str | None:
    """The known word that was probably meant; None where there is none.

    synonyms: what others call it -> the known word; letters' case, hyphens and the dashes of an option do not count.

    >>> nearest("wieghts", ["weights", "hessian"])
    'weights'
    >>> nearest("Learning-Rate", ["lr", "seed"], {"learning_rate": "lr"})
    'lr'
    """
    known = list(known)
    plain = _plain(word)
    meant = (synonyms or {}).get(plain)
    if meant in known:
        return meant
    by_plain = {_plain(one): one for one in known}
    close = difflib.get_close_matches(plain, by_plain, n=1, cutoff=_CUTOFF)
    return by_plain[close[0]] if close else _with_part(plain, by_plain)


def _with_part(part: str, by_plain: Mapping[str, str]) -> str | None:
    """The first of the shortest words of several parts (``layers.0.q_proj.weight``) that hold this part whole."""
    parts = part.strip("*.").split(".")
    size = len(parts)
    held = [
        one
        for plain, one in by_plain.items()
        if any(plain.split(".")[at : at + size] == parts for at in range(plain.count(".") + 2 - size))
    ]
    return min(held, key=len) if held and len(part) > 1 else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str, synonyms: Mapping[str, str] | None = None) -> str:
    """The question with the nearest word, or another sentence where no word is near.

    >>> did_you_mean("trian", ["train", "show"], "see --help"), did_you_mean("xyz", ["train"], "see --help")
    ("did you mean 'train'?", 'see --help')
    """
    found = nearest(word, known, synonyms)
    return otherwise if found is None else f"did you mean {found!r}?"


def near_steps(steps: Collection[int], wanted: int | None = None) -> str:
    """Which steps there are, and of many the two between which the wanted one lies.

    >>> near_steps([]), near_steps([5]), near_steps(range(0, 400, 100), 150)
    ('none yet', '5 alone', '0 to 300, the nearest are 100 and 200')
    """
    if len(steps) < 2:
        return f"{min(steps)} alone" if steps else "none yet"
    before = [step for step in steps if wanted is not None and step < wanted]
    after = [step for step in steps if wanted is not None and step > wanted]
    near = f", the nearest are {max(before)} and {min(after)}" if before and after else ""
    return f"{min(steps)} to {max(steps)}{near}"


def answering(synonyms: Mapping[str, str] | None = None) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """A function's TypeError for an unknown keyword names the nearest right one (Python does so from 3.13 on)."""

    def decorate(function: Callable[P, R]) -> Callable[P, R]:
        known = _keywords(function)

        @functools.wraps(function)
        def checked(*args: P.args, **kwargs: P.kwargs) -> R:
            if not kwargs.keys() <= known.keys():
                raise TypeError(unexpected(function, kwargs, synonyms))
            return function(*args, **kwargs)

        return checked

    return decorate


def answering_fields(made: type[R]) -> type[R]:
    """The same for the fields of a dataclass."""
    made.__init__ = answering()(made.__init__)  # type: ignore[method-assign]
    return made


def unexpected(
    function: Callable[..., object], given: Iterable[str], synonyms: Mapping[str, str] | None = None
) -> str | None:
    """What is said of the first keyword that the function does not take; None where it takes them all.

    >>> unexpected(sorted, {"revers": True})
    "sorted() got an unexpected keyword argument 'revers'; did you mean 'reverse'?"
    """
    known = _keywords(function)
    wrong = next((name for name in given if name not in known), None)
    if wrong is None:
        return None
    name = getattr(function, "__qualname__", repr(function)).removesuffix(".__init__")
    answer = did_you_mean(wrong, known, f"it takes {', '.join(known)}", synonyms)
    return f"{name}() got an unexpected keyword argument {wrong!r}; {answer}"


def _keywords(function: Callable[..., object]) -> dict[str, None]:
    """Names that may be passed by keyword, in order."""
    kinds = (inspect.Parameter.POSITIONAL_OR_KEYWORD, inspect.Parameter.KEYWORD_ONLY)
    found = inspect.signature(function).parameters.values()
    return dict.fromkeys(one.name for one in found if one.kind in kinds and one.name != "self")


def _plain(word: str) -> str:
    return word.lower().lstrip("-").replace("-", "_")
