"""The command line answers fast, and says in one line what it refuses."""

from __future__ import annotations

import io
import subprocess
import sys
from pathlib import Path

import pytest

from htmu_diag import __version__
from htmu_diag.cli import COMMANDS, main

ROOT = Path(__file__).parents[2]
CONFIG = str(ROOT / "configs" / "digits_mlp.yaml")
NO_TORCH = "import sys; from htmu_diag.cli import main; code = main({!r}); print('torch' in sys.modules, code)"


def refusal(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> str:
    """The one line on stderr of a refused command."""
    assert main(arguments) == 2
    printed = capsys.readouterr()
    assert printed.out == ""
    assert printed.err.count("\n") == 1
    return printed.err


@pytest.mark.parametrize("arguments", [["--help"], [CONFIG, "--print-config"], [CONFIG, "--lr=1"]])
def test_torch_is_imported_only_to_train(arguments: list[str]) -> None:
    given = arguments if arguments == ["--help"] else ["train", *arguments]
    code = NO_TORCH.format(given)
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True, cwd=ROOT)
    assert done.stdout.splitlines()[-1].startswith("False")


def test_a_name_that_the_terminal_cannot_write_is_written_as_its_code(monkeypatch: pytest.MonkeyPatch) -> None:
    written = io.BytesIO()
    monkeypatch.setattr("htmu_diag.cli.own_process", lambda: None)
    monkeypatch.setattr("htmu_diag.cli._help", lambda: "größer")
    monkeypatch.setattr(sys, "argv", ["htmu"])
    monkeypatch.setattr(sys, "stdout", io.TextIOWrapper(written, encoding="ascii"))
    assert main() == 0
    sys.stdout.flush()
    assert written.getvalue() == b"gr\\xf6\\xdfer\n"


def test_help_names_every_command_and_gives_examples(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--help"]) == 0
    text = capsys.readouterr().out
    assert all(f"  {name} " in text for name in COMMANDS)
    assert all(f"\n  htmu {name}" in text.partition("examples:")[2] for name in COMMANDS)


@pytest.mark.parametrize("name", COMMANDS)
def test_help_of_every_command_has_an_example_of_it(name: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main([name, "--help"])
    assert caught.value.code == 0
    assert f"\n  htmu {name}" in capsys.readouterr().out.partition("examples:")[2]


def test_help_of_train_explains_every_key(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as caught:
        main(["train", "--help"])
    text = capsys.readouterr().out
    assert caught.value.code == 0
    assert "--optimizer.weight_decay" in text
    assert "--monitor.every" in text


def test_version_is_the_package_s(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["--version"]) == 0
    assert __version__ in capsys.readouterr().out


def test_a_mistyped_command_is_answered_with_the_right_one(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'train'?" in refusal(["trian"], capsys)


def test_a_command_by_another_name_is_answered_with_ours(capsys: pytest.CaptureFixture[str]) -> None:
    assert "did you mean 'compare'?" in refusal(["diff"], capsys)


@pytest.mark.parametrize(
    ("given", "said"),
    [
        (["show", "--stp", "3", "run"], "did you mean '--step'?"),
        (["fetch", "cifar"], "did you mean 'cifar10'?"),
        (["train", "digits_mlp", "--resum"], "did you mean '--resume'?"),
        (["train", "digits_mlp", "--lr", "0.1"], "unknown key 'lr'; did you mean 'optimizer.lr'?"),
        (["train", "digits_mlp", "--device=cpu", "steps=20"], "'steps=20' is not an override; write --steps=20"),
        (["train", "digits_mlp", "--optimizer.name=adamm"], "got adamm; did you mean 'adamw'?"),
        (["export", "run", "--cvs"], "unrecognized arguments: --cvs; did you mean '--csv'?"),
        (["export", "run", "--csv", "--column", "alpha"], "unrecognized arguments: --column; see"),
        (["--verison"], "did you mean '--version'?"),
        (["train", "digits_mlp", "--out"], "--out: expected one argument"),
        (["train", "digits_mpl"], "did you mean 'digits_mlp', which comes with the package?"),
        (["train", "nowhere/digits_mlp.yaml"], "did you mean 'digits_mlp', which comes with the package?"),
    ],
)
def test_a_mistyped_word_is_answered_with_the_right_one(
    given: list[str], said: str, capsys: pytest.CaptureFixture[str]
) -> None:
    assert said in refusal(given, capsys)


def test_a_key_that_the_model_does_not_use_is_said(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["train", "digits_cnn", "--model.heads", "8", "--print-config"]) == 0
    printed = capsys.readouterr()
    assert printed.err == "htmu: model.heads has no effect: lenet does not use it\n"
    assert "widths" not in printed.out


def test_a_mistyped_key_is_answered_with_the_right_one(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    out = tmp_path / "run"
    assert "did you mean 'optimizer.lr'?" in refusal(["train", CONFIG, "--lr=1", "--out", str(out)], capsys)
    assert not out.exists()


def test_a_missing_config_is_refused(capsys: pytest.CaptureFixture[str]) -> None:
    assert "no such file" in refusal(["train", "configs/nothing.yaml"], capsys)
    assert "CONFIG" in refusal(["train"], capsys)


def test_an_occupied_folder_is_refused_and_left_as_it_was(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    (tmp_path / "thesis.txt").write_text("precious")
    assert "is not empty" in refusal(["train", CONFIG, "--out", str(tmp_path)], capsys)
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.txt"]
    assert (tmp_path / "thesis.txt").read_text() == "precious"


def test_a_file_as_folder_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    path = tmp_path / "file"
    path.write_text("")
    assert "is a file" in refusal(["train", CONFIG, "--out", str(path)], capsys)


def test_resume_without_a_checkpoint_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    assert "has no checkpoint" in refusal(["train", CONFIG, "--out", str(tmp_path), "--resume"], capsys)


def test_missing_files_are_answered_with_the_command_that_fetches_them(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    pytest.importorskip("torchvision")
    root = tmp_path / "no data"
    config = str(ROOT / "configs" / "cifar10_resnet9.yaml")
    said = refusal(["train", config, f"--data.root={root}", "--out", str(tmp_path / "run")], capsys)
    assert f"htmu fetch cifar10 --root '{root}'" in said
    assert not root.exists()


def test_fetch_knows_its_data_sets(capsys: pytest.CaptureFixture[str]) -> None:
    assert "invalid choice: 'imagenet'" in refusal(["fetch", "imagenet"], capsys)


def test_a_device_that_is_not_there_is_refused(capsys: pytest.CaptureFixture[str], tmp_path: Path) -> None:
    said = refusal(["train", CONFIG, "--device=abacus", "--out", str(tmp_path / "run")], capsys)
    assert "device: abacus cannot be used here" in said
    assert not (tmp_path / "run").exists()


def test_a_mistyped_probe_is_refused_before_a_folder_is_made(
    capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    out = tmp_path / "run"
    said = refusal(["train", CONFIG, "--monitor.probes=[wieghts]", "--out", str(out)], capsys)
    assert "did you mean 'weights'?" in said
    assert not out.exists()
