"""The README says what is so: its list of numbers is the package's, its examples run, its links lead somewhere."""

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
ELSEWHERE = "".join(re.findall(r"<details>.*?</details>", TEXT, flags=re.DOTALL))  # tests/integrations run these


def test_the_list_of_numbers_is_the_package_s() -> None:
    script = runpy.run_path(str(ROOT / "scripts" / "readme_quantities.py"))
    assert script["with_table"](TEXT) == TEXT, "run: python scripts/readme_quantities.py"


def test_the_examples_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    own = [example for example in EXAMPLES if example not in ELSEWHERE]
    names: dict[str, object] = {}
    for example in own:
        exec(example, names)
    assert len(own) >= 3
    assert (tmp_path / "spectra.png").stat().st_size > 1000
    assert "0.weight" in capsys.readouterr().out


def test_every_framework_has_its_example() -> None:
    named = re.findall(r"<summary>(.+?)</summary>", ELSEWHERE)
    assert {"Lightning", "Hugging Face Trainer", "Accelerate", "DDP", "FSDP2", "torch.compile"} <= set(named)
    assert all(example in ELSEWHERE for example in EXAMPLES if "integrations" in example)


@pytest.mark.parametrize("target", sorted(set(re.findall(r"\]\((?!http)([^)#]+)\)", TEXT))))
def test_a_link_leads_to_a_file(target: str) -> None:
    assert (ROOT / target).is_file()


def test_every_shown_command_is_accepted() -> None:
    shown = re.findall(r"^\$ htmu (\w+) (\S+)(.*)$", TEXT, flags=re.MULTILINE)
    assert shown
    for command, argument, rest in shown:
        assert command in COMMANDS
        if command == "train":
            overrides = [word for word in rest.split() if "=" in word]
            assert load_config(ROOT / argument, overrides)
        if command == "analyze":
            assert analyze_parser().parse_args([argument, *shlex.split(rest)]).path == argument
