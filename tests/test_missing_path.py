"""A path that leads nowhere is answered with the near one, or with how a hub's model gets there."""

from __future__ import annotations

from pathlib import Path

import pytest

import htmu_diag
from htmu_diag.cli import main
from htmu_diag.errors import InputError
from htmu_diag.missing_path import missing_path


@pytest.mark.parametrize("name", ["gpt2", "org/model-v0.1", "org/Model-3.1-8B", "all-MiniLM-L6-v2"])
def test_a_hub_s_name_is_answered_with_the_download(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    assert f"hf download {name} --local-dir {name.split('/')[-1]}" in missing_path(name)


@pytest.mark.parametrize("name", ["model.pt", "a/b/c", "weights.safetensors", "/gpt2", "../gpt2", "there/gpt2"])
def test_a_path_of_this_disk_is_none(name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "there").mkdir()
    assert missing_path(name) == f"{name}: no such file or folder; check the path"


def test_a_near_name_is_asked_for_and_wins(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("model.safetensors").touch()
    assert missing_path("model.safetensor").endswith("did you mean 'model.safetensors'?")
    Path("gpt").mkdir()
    assert missing_path("gpt2").endswith("did you mean 'gpt'?")


def test_a_url_is_downloaded_first() -> None:
    assert "download it first" in missing_path("https://example.org/model.pt")
    assert "download it first" in missing_path(str(Path("s3://bucket/model.pt")))


def test_every_door_says_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="hf download gpt2"):
        htmu_diag.analyze("gpt2")
    assert main(["analyze", "gpt2"]) == 2
    assert "hf download gpt2" in capsys.readouterr().err


def test_characters_that_act_are_escaped() -> None:
    assert "\x1b" not in missing_path("a\x1b[2J/b/c")


@pytest.mark.parametrize("target", ["gone", "link"])
def test_a_link_to_nowhere_is_told_as_one_and_not_asked_for(target: str, tmp_path: Path) -> None:
    (tmp_path / "link").symlink_to(target)
    assert "a link to nowhere" in missing_path(tmp_path / "link")
