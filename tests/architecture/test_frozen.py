"""Values are frozen: what one room was given, no other changes. What is not frozen has something to change."""

import ast
import re
from collections.abc import Iterable, Iterator
from pathlib import Path

ROOT = Path(__file__).parents[2] / "htmu_diag"


def dataclasses_in(tree: ast.AST) -> Iterator[tuple[ast.ClassDef, bool]]:
    """Each dataclass, and whether it is frozen."""
    for node in ast.walk(tree):
        for decorator in node.decorator_list if isinstance(node, ast.ClassDef) else ():
            words = decorator.keywords if isinstance(decorator, ast.Call) else []
            name = decorator.func if isinstance(decorator, ast.Call) else decorator
            if isinstance(node, ast.ClassDef) and isinstance(name, ast.Name) and name.id == "dataclass":
                yield node, any(word.arg == "frozen" and getattr(word.value, "value", False) for word in words)


def changed_in(trees: Iterable[ast.AST]) -> set[str]:
    """Names of attributes that the files of a room assign to."""
    nodes = (node for tree in trees for node in ast.walk(tree))
    return {node.attr for node in nodes if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store)}


def fields_of(node: ast.ClassDef) -> Iterator[tuple[str, bool]]:
    """Name of each field, and whether its default is made anew (a collection that is filled)."""
    for item in node.body:
        if isinstance(item, ast.AnnAssign) and isinstance(item.target, ast.Name):
            made = isinstance(item.value, ast.Call) and any(
                word.arg == "default_factory" for word in item.value.keywords
            )
            yield item.target.id, made


def test_a_dataclass_that_is_not_frozen_has_something_to_change() -> None:
    texts = {path: path.read_text() for path in sorted(ROOT.rglob("*.py"))}
    assert sum(text.count("@dataclass") for text in texts.values()) > 200
    mutable = [path for path, text in texts.items() if re.search(r"@dataclass(?!\([^)\n]*frozen=True)", text)]
    trees = {path: ast.parse(text) for path, text in texts.items() if path.parent in {each.parent for each in mutable}}
    idle = []
    for room in {path.parent for path in mutable}:
        changed = changed_in(tree for path, tree in trees.items() if path.parent == room)
        for path in (path for path in mutable if path.parent == room):
            loose = (node for node, frozen in dataclasses_in(trees[path]) if not frozen)
            found = (node for node in loose if not any(made or name in changed for name, made in fields_of(node)))
            idle += [f"{path.relative_to(ROOT)}:{node.name}" for node in found]
    assert idle == []
