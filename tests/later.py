"""Modules that a test imports at its first use: every worker of a run collects all tests, and runs a part of them."""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from typing import Any

import pytest


class Later:
    """Stands for a module; tests that use one that is not installed are skipped.

    name: of the module. package: what must be installed for it, by default its first part.
    """

    def __init__(self, name: str, package: str = "") -> None:
        self._name = name
        package = package or name.partition(".")[0]
        if find_spec(package) is None:
            pytest.skip(f"needs {package}", allow_module_level=True)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_"):  # pytest's, which looks at all that a module has when it collects its tests
            raise AttributeError(name)
        return getattr(import_module(self._name), name)
