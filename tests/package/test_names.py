"""The public names: what a program finds, what a type checker finds and what an editor offers are the same."""

from __future__ import annotations

import ast
import importlib
from pathlib import Path

import htmu_diag

SOURCE = Path(htmu_diag.__file__)


def typed_names() -> dict[str, str]:
    """Public name -> the module that type checkers take it from."""
    checked = next(node for node in ast.parse(SOURCE.read_text()).body if isinstance(node, ast.If))
    assert ast.unparse(checked.test) == "TYPE_CHECKING"
    imports = [node for node in checked.body if isinstance(node, ast.ImportFrom)]
    assert len(imports) == len(checked.body)
    for node in imports:
        assert all(alias.asname == alias.name for alias in node.names), "without 'as' it is not exported to checkers"
    return {alias.name: str(node.module) for node in imports for alias in node.names}


def test_type_checkers_see_the_names_of_the_table() -> None:
    assert sorted(typed_names()) == sorted(htmu_diag._PUBLIC)


def test_a_name_is_the_same_object_for_checkers_and_programs() -> None:
    for name, module in typed_names().items():
        assert getattr(importlib.import_module(module), name) is getattr(htmu_diag, name), name


def test_the_names_are_offered_by_dir_and_all() -> None:
    assert set(htmu_diag._PUBLIC) | {"__version__"} == set(htmu_diag.__all__) == set(dir(htmu_diag))


def test_the_types_are_shipped() -> None:
    assert (SOURCE.parent / "py.typed").is_file()
