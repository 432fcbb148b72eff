"""The scripts of completions know every command, every option, every key and every shipped name."""

from __future__ import annotations

import re
import shutil
import subprocess
from pathlib import Path

import pytest

from htmu_diag.cli import COMMANDS, main
from htmu_diag.config import bundled, keys


@pytest.fixture(scope="module")
def script(tmp_path_factory: pytest.TempPathFactory) -> Path:
    pytest.importorskip("shtab")
    path = tmp_path_factory.mktemp("completion") / "htmu.bash"
    with pytest.MonkeyPatch.context() as patch:
        written: list[str] = []
        patch.setattr("builtins.print", written.append)
        assert main(["completion", "bash"]) == 0
    path.write_text("\n".join(written))
    return path


def test_the_script_knows_commands_keys_and_names(script: Path) -> None:
    text = script.read_text()
    for word in (*COMMANDS, *(f"--{key}" for key in keys()), *bundled(), "--resume", "--at-loss"):
        assert re.search(rf"[(' ]{re.escape(word)}[)' ]", text), word


def completed(script: Path, *words: str) -> set[str]:
    """What bash offers for the last of these words."""
    code = (
        'source "$0"; function=$(complete -p htmu | sed "s/.*-F \\([^ ]*\\) .*/\\1/"); '
        'COMP_WORDS=("$@"); COMP_CWORD=$(($# - 1)); "$function"; echo "${COMPREPLY[@]}"'
    )
    done = subprocess.run(["bash", "-c", code, str(script), *words], capture_output=True, text=True, check=True)
    return set(done.stdout.split())


@pytest.mark.skipif(shutil.which("bash") is None, reason="bash is not installed")
def test_bash_offers_the_right_words(script: Path) -> None:
    assert completed(script, "htmu", "tr") == {"train"}
    assert completed(script, "htmu", "train", "digits") == {"digits_cnn", "digits_mlp"}
    assert completed(script, "htmu", "train", "digits_mlp", "--optimizer.l") == {"--optimizer.lr"}
    assert completed(script, "htmu", "fetch", "c") == {"cifar10"}
    assert completed(script, "htmu", "show", "--k") == {"--kind"}
