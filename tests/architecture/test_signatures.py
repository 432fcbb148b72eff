"""Every parameter of the package may be passed by its name."""

import ast
from pathlib import Path

import htmu_diag

ROOT = Path(htmu_diag.__file__).parent


def test_no_parameter_is_by_position_only() -> None:
    functions = [
        (path.name, node)
        for path in ROOT.rglob("*.py")
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    assert len(functions) > 1000
    assert [(name, node.name) for name, node in functions if node.args.posonlyargs] == []
