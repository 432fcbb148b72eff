"""A tensor is made on a device and of a type that the code names: the user may have set other defaults."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

import htmu_diag

PACKAGE = Path(htmu_diag.__file__).parent
ROOMS = [
    room for room in ("matrices", "model", "operators", "solvers", "probes", "monitor") if (PACKAGE / room).exists()
]
FACTORIES = {"arange", "empty", "eye", "full", "linspace", "logspace", "ones", "rand", "randint", "randn", "randperm"}
FACTORIES |= {"tensor", "zeros", "scalar_tensor"}
FLOATS = {"empty", "eye", "linspace", "logspace", "ones", "rand", "randn", "zeros"}


def calls(source: str) -> Iterator[tuple[int, str, set[str]]]:
    """(line, factory, named arguments) of every ``torch.<factory>(...)``."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in FACTORIES:
            owner = node.func.value
            if isinstance(owner, ast.Name) and owner.id == "torch":
                named = {"*" if keyword.arg is None else keyword.arg for keyword in node.keywords}
                yield node.lineno, node.func.attr, named


def faults(source: str) -> list[str]:
    found = []
    for line, factory, named in calls(source):
        wanted = {"device"} | ({"dtype"} if factory in FLOATS else set())
        if "*" not in named and not wanted <= named:
            found.append(f"line {line}: torch.{factory} without {', '.join(sorted(wanted - named))}")
    return found


@pytest.mark.parametrize("room", ROOMS)
def test_every_tensor_is_made_on_a_named_device(room: str) -> None:
    told = {str(file): faults(file.read_text()) for file in sorted((PACKAGE / room).rglob("*.py"))}
    assert {file: found for file, found in told.items() if found} == {}


def test_the_check_sees_a_default() -> None:
    assert faults("x = torch.zeros(3, dtype=d)") == ["line 1: torch.zeros without device"]
    assert faults("x = torch.randn(3, generator=g, device='cpu')") == ["line 1: torch.randn without dtype"]
    assert faults("x = torch.randperm(3, device='cpu'); y = numpy.zeros(3)") == []
