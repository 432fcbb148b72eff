"""The scripts that people copy run as their docstring says, at reduced size."""

from __future__ import annotations

import os
import runpy
import socket
import subprocess
import sys
from pathlib import Path

import pytest

import htmu_diag
from tests.warm import Process

ROOT = Path(__file__).parents[1]


def ran(name: str, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """The script in this process, where torch is there already."""
    monkeypatch.setattr(sys, "argv", [name, *map(str, arguments)])
    runpy.run_path(str(ROOT / "scripts" / name), run_name="__main__")


def test_train_mlp_runs_and_leaves_a_run_that_can_be_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    out = tmp_path / "a run"
    ran("train_mlp.py", monkeypatch, "--steps", 40, "--every", 20, "--out", out)
    assert htmu_diag.load_run(out).steps == (0, 20, 40)
    printed = capsys.readouterr().out
    assert "0.weight" in printed
    assert "tensorboard --logdir" in printed


def test_the_language_model_s_loop_counts_steps_not_micro_batches(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran("nanogpt_loop.py", monkeypatch, "--steps", 4, "--width", 16, "--every", 4, "--out", tmp_path / "run")
    run = htmu_diag.load_run(tmp_path / "run")
    assert run.steps == (0, 4)
    assert {"wte.weight", "h.0.c_attn.weight.q"} & set(run.names()) or "h.0.c_attn.weight" in run.names()
    assert "lm_head.weight" not in run.names()  # tied: measured once


@pytest.mark.filterwarnings("ignore")  # of the Trainer and of Lightning
def test_the_fine_tuning_measures_each_adapter_s_update(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    size = ("--steps", 2, "--width", 16, "--rank", 2, "--every", 2)
    ran("finetune_lora.py", monkeypatch, *size, "--out", tmp_path / "out")
    run = htmu_diag.load_run(tmp_path / "out" / "htmu")
    assert run.steps == (0, 2)
    assert sum("lora_delta" in name for name in run.names()) == 4  # query and value of two layers


@pytest.mark.filterwarnings("ignore")
def test_the_two_models_of_the_gan_are_counted_by_their_own_optimizers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    ran("gan_lightning.py", monkeypatch, "--steps", 4, "--every", 4, "--out", tmp_path / "gan")
    for name in ("generator", "discriminator"):
        assert htmu_diag.load_run(tmp_path / "gan" / name).steps == (0, 4)


@pytest.mark.slow
def test_the_sharded_job_runs_on_two_ranks(tmp_path: Path) -> None:
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        port = found.getsockname()[1]
    arguments = ["--steps", "2", "--width", "16", "--every", "2", "--out", str(tmp_path / "run")]
    shared = {**os.environ, "PYTHONPATH": str(ROOT), "OMP_NUM_THREADS": "1", "CUDA_VISIBLE_DEVICES": ""}
    shared |= {"WORLD_SIZE": "2", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": str(port)}
    script = str(ROOT / "scripts" / "fsdp2_job.py")
    ranks = [Process(script, *arguments, env={**shared, "RANK": rank}) for rank in ("0", "1")]
    errors = [rank.communicate()[1] for rank in ranks]
    assert [rank.wait() for rank in ranks] == [0, 0], errors
    assert htmu_diag.load_run(tmp_path / "run").steps == (0, 2)


def test_every_example_is_short() -> None:
    for name in ("nanogpt_loop", "finetune_lora", "gan_lightning", "fsdp2_job"):
        assert len((ROOT / "scripts" / f"{name}.py").read_text(encoding="utf-8").splitlines()) < 80


def test_pythons_lists_this_interpreter_and_says_which_are_missing() -> None:
    this = f"{sys.version_info.major}.{sys.version_info.minor}"
    command = [sys.executable, str(ROOT / "scripts" / "pythons.py"), "--list", this, "3.99"]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    first, last = done.stdout.splitlines()
    assert first.startswith(f"python {this}: /")
    assert last == "python 3.99: not at hand"
