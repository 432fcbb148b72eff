"""Types of public functions are found at run time too, though what they name is imported on first use."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Iterator
from typing import Any, get_type_hints

import pytest
import torch
from matplotlib.figure import Figure

import htmu_diag
from htmu_diag.extras import Late
from htmu_diag.report import Analysis

ROOMS = ["htmu_diag", *(f"htmu_diag.{room.name}" for room in pkgutil.iter_modules(htmu_diag.__path__))]
LEFT_OUT = {"htmu_diag.__main__", "htmu_diag.model_analysis"}  # they run, and they warn


def public(room: str) -> Iterator[tuple[str, Any]]:
    """The functions, the classes of this package and their public methods, that a room offers."""
    module = importlib.import_module(room)
    for name in getattr(module, "__all__", []):
        offered = getattr(module, name)
        if inspect.isfunction(offered) or inspect.isclass(offered):
            yield f"{room}.{name}", offered
        for method, value in vars(offered).items() if inspect.isclass(offered) else ():
            found = value.fget if isinstance(value, property) else getattr(value, "__func__", value)
            if inspect.isfunction(found) and (method in ("__init__", "__call__") or not method.startswith("_")):
                yield f"{room}.{name}.{method}", found


def test_every_public_function_has_its_types() -> None:
    unknown, seen = {}, 0
    for room in ROOMS:
        for name, offered in () if room in LEFT_OUT else public(room):
            seen += 1
            try:
                get_type_hints(offered)
            except NameError as error:
                unknown[name] = str(error)
    assert unknown == {}
    assert seen > 500


def test_what_is_named_late_is_the_type_itself() -> None:
    assert get_type_hints(htmu_diag.analyze)["device"] == str | torch.device | None
    assert get_type_hints(Analysis.plot)["return"] is Figure


def test_a_late_module_is_asked_for_its_names_only() -> None:
    late: Any = Late("package_that_is_not_there")
    assert not hasattr(late, "__wrapped__")
    with pytest.raises(ModuleNotFoundError):
        _ = late.Thing
    assert Late("os").path.sep == "/"
