"""Every example of docs/analyze.md runs, in the order of the page: Python in one namespace, commands in one folder."""

from __future__ import annotations

import json
import re
import shlex
from pathlib import Path

import pytest

from htmu_diag.cli import main

PAGE = (Path(__file__).parents[1] / "docs" / "analyze.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"```(python|console)\n(.*?)```", PAGE, flags=re.DOTALL)


def run_command(line: str, capsys: pytest.CaptureFixture[str]) -> None:
    words = shlex.split(line.removeprefix("$ htmu "))
    target = words[words.index(">") + 1] if ">" in words else None
    capsys.readouterr()
    assert main(words[: words.index(">")] if target else words) == 0
    if target:
        Path(target).write_text(capsys.readouterr().out)


def test_the_examples_run_in_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, object] = {}
    for language, text in BLOCKS:
        if language == "python":
            exec(text, names)
        else:
            for line in text.splitlines():
                run_command(line, capsys)
    assert (tmp_path / "density.png").stat().st_size > 1000
    assert [path.name for path in (tmp_path / "report" / "esd").iterdir()] == ["000-0.weight.png"]
    assert "alpha" in (tmp_path / "layers.csv").read_text().splitlines()[0]
    assert "log_spectral_norm" in json.loads((tmp_path / "theirs.json").read_text())["summary"]
    assert "(100, 200) [" in capsys.readouterr().out
