"""The nearest right word for a wrong one: by meaning where others call the same thing otherwise, else by spelling."""

from __future__ import annotations

import difflib
from collections.abc import Iterable, Mapping

__all__ = ["did_you_mean", "nearest"]

_CUTOFF = 0.6  # of difflib: its own default


def nearest(word: str, known: Iterable[str], synonyms: Mapping[str, str] | None = None) -> str | None:
    """The known word that was probably meant; None where there is none.

    synonyms: what others call it -> the known word; letters' case and hyphens do not count.

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
    return by_plain[close[0]] if close else None


def did_you_mean(word: str, known: Iterable[str], otherwise: str, synonyms: Mapping[str, str] | None = None) -> str:
    """The question with the nearest word, or another sentence where no word is near.

    >>> did_you_mean("trian", ["train", "show"], "see --help"), did_you_mean("xyz", ["train"], "see --help")
    ("did you mean 'train'?", 'see --help')
    """
    found = nearest(word, known, synonyms)
    return otherwise if found is None else f"did you mean {found!r}?"


def _plain(word: str) -> str:
    return word.lower().replace("-", "_")
