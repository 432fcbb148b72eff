"""What a reader takes from ``run.json``: a file that anybody may have edited costs itself, with one warning."""

from __future__ import annotations

import json
from dataclasses import fields
from pathlib import Path
from typing import Any

from htmu_diag.analysis import Options
from htmu_diag.errors import InputError
from htmu_diag.plain_files import read_json
from htmu_diag.warned import warn

__all__ = ["RunInformation"]

_MOST = {"bootstrap": 100_000}  # replicates that still end within minutes


class RunInformation:
    """The reader; it warns about one thing once."""

    def __init__(self) -> None:
        self._said: set[str] = set()

    def read(self, path: Path) -> dict[str, Any]:
        """The content; empty where there is none, or none that can be read."""
        try:
            content = read_json(path)
        except FileNotFoundError:
            return {}
        except (OSError, InputError, json.JSONDecodeError) as error:
            self._warn(f"{path} is left out: {error}")
            return {}
        if not isinstance(content, dict):
            self._warn(f"{path} is left out: it is no mapping")
            return {}
        return content

    def options(self, entries: Any) -> Options:
        """The options that these entries name; the default of each that is missing or cannot be."""
        if not isinstance(entries, dict):
            self._warn("the options of the run are no mapping: the defaults are taken")
            return Options()
        given = {field.name: entries[field.name] for field in fields(Options) if field.name in entries}
        taken = {name: value for name, value in given.items() if _can_be(name, value)}
        if len(taken) < len(given):
            wrong = ", ".join(sorted(given.keys() - taken.keys()))
            self._warn(f"options of the run that cannot be: {wrong}; their defaults are taken")
        return Options(**taken)

    def _warn(self, what: str) -> None:
        if what not in self._said:
            self._said.add(what)
            warn(what)


def _can_be(name: str, value: Any) -> bool:
    """Whether `Options` takes it, and what it asks for ends."""
    try:
        Options(**{name: value})
    except InputError:
        return False
    return name not in _MOST or value <= _MOST[name]
