"""The map, the page for those who change things, and the tree say the same."""

import re
from pathlib import Path

import pytest

from tests.architecture.test_imports import MAY_IMPORT

ROOT = Path(__file__).parents[2]
PACKAGE = ROOT / "htmu_diag"


def rooms() -> set[str]:
    """Folders and files at the top of the package."""
    folders = {f"{path.name}/" for path in PACKAGE.iterdir() if (path / "__init__.py").exists()}
    return folders | {path.name for path in PACKAGE.glob("*.py") if path.name != "__init__.py"}


def test_the_map_has_one_line_for_each_room_and_none_besides() -> None:
    listed = re.findall(r"^\| `([^`]+)` \|", (ROOT / "docs" / "architecture.md").read_text(), flags=re.M)
    assert sorted(listed) == sorted(rooms())


def test_the_rule_of_imports_knows_every_room() -> None:
    assert {room.removesuffix("/").removesuffix(".py") for room in rooms()} == set(MAY_IMPORT)


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/architecture.md"])
def test_every_path_on_a_page_exists(page: str) -> None:
    text = (ROOT / page).read_text()
    paths = set(re.findall(r"`((?:htmu_diag|tests|docs|scripts|benchmarks)/[\w./-]+)`", text))
    paths |= {str((ROOT / page).parent / link) for link in re.findall(r"\]\(([\w./-]+)\)", text)}
    assert paths
    assert [path for path in sorted(paths) if not (ROOT / path).exists()] == []
