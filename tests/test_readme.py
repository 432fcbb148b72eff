"""The README says what is so: its examples run, its commands are accepted; and the list of numbers is the package's."""

from __future__ import annotations

import re
import runpy
import shlex
from pathlib import Path

import pytest

from htmu_diag.cli import COMMANDS
from htmu_diag.cli.analyze import parser as analyze_parser
from htmu_diag.config import load_config

ROOT = Path(__file__).parents[1]
TEXT = (ROOT / "README.md").read_text(encoding="utf-8")
EXAMPLES = re.findall(r"```python\n(.*?)```", TEXT, flags=re.DOTALL)


def test_the_list_of_numbers_is_the_package_s() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "numbers_table.py"))
    page = (ROOT / "docs" / "numbers.md").read_text(encoding="utf-8")
    assert script["with_table"](page) == page, "run: python scripts/numbers_table.py"


def test_the_examples_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for example in EXAMPLES:
        exec(example, names)
    assert len(EXAMPLES) >= 2
    assert (tmp_path / "spectra.png").stat().st_size > 1000
    assert "0.weight" in capsys.readouterr().out


def test_every_shown_command_is_accepted() -> None:
    shown = re.findall(r"^\$ htmu (\w+) (\S+)(.*)$", TEXT, flags=re.MULTILINE)
    assert shown
    for command, argument, rest in shown:
        assert command in COMMANDS
        if command == "train":
            overrides = [word for word in rest.split() if "=" in word]
            assert load_config(argument, overrides)
        if command == "analyze":
            assert analyze_parser().parse_args([argument, *shlex.split(rest)]).path == argument


def test_it_is_one_screen_and_a_table_of_contents() -> None:
    assert len(TEXT.splitlines()) <= 110
