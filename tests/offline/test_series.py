"""Checkpoints of a training become the run that would have been watched: same tags, same numbers."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest
import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

import htmu_diag
from htmu_diag.analysis import Options
from htmu_diag.cli import main
from htmu_diag.config import load_config
from htmu_diag.errors import InputError, StorageError
from htmu_diag.offline import analyze_series, find_series
from htmu_diag.offline.folders import step_of
from htmu_diag.training import train
from tests.equal import same

ROOT = Path(__file__).parents[2]
STEPS = (20, 40)


def of_training(tag: str) -> bool:
    """What checkpoints do not hold: the learning rate, the way from the start."""
    return tag.startswith(("train/", "test/", "temperature/")) or "_distance" in tag


@pytest.fixture(scope="module")
def live(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A training with a measurement and a checkpoint at steps 20 and 40."""
    pytest.importorskip("sklearn")
    folder = tmp_path_factory.mktemp("live") / "run"
    overrides = ["--steps=40", "--monitor.every=20", "--checkpoint.every=20", "--checkpoint.keep=9"]
    overrides += ["--model.widths=[48,40]", "--device=cpu", "--threads=1"]
    train(load_config(ROOT / "configs" / "digits_mlp.yaml", overrides), folder)
    return folder


@pytest.fixture(scope="module")
def offline(live: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The same from the checkpoints alone."""
    folder = tmp_path_factory.mktemp("offline") / "curves"
    assert main(["analyze", str(live), "--out", str(folder), "--json"]) == 0
    return folder


def test_the_checkpoints_give_every_number_of_the_live_run(live: Path, offline: Path) -> None:
    watched, found = htmu_diag.load_run(live), htmu_diag.load_run(offline)
    assert watched.steps == (0, *STEPS)
    assert found.steps == STEPS
    for step in STEPS:
        expected = {tag: v for tag, v in watched.diagnose(step).metrics().items() if not of_training(tag)}
        assert found.diagnose(step).metrics() == expected
        for one, other in zip(found.spectra(step), watched.spectra(step), strict=True):
            assert one.source == other.source
            assert (one.values == other.values).all()


def test_tensorboard_has_the_same_tags_and_values(live: Path, offline: Path) -> None:
    watched, found = (EventAccumulator(str(folder)).Reload() for folder in (live, offline))
    tags = set(found.Tags()["scalars"])
    assert {"weights_alpha/fc1.weight", "weights_log_kappa/fc2.weight", "summary/weights_alpha_mean"} <= tags
    of_spectra = {tag for tag in watched.Tags()["scalars"] if not of_training(tag)}
    assert tags <= of_spectra
    assert all(point.step == 0 for tag in of_spectra - tags for point in watched.Scalars(tag))
    for tag in tags:
        expected = [(point.step, point.value) for point in watched.Scalars(tag) if point.step in STEPS]
        assert [(point.step, point.value) for point in found.Scalars(tag)] == expected
    assert not found.Tags()["images"]  # the Spectra page draws them


def test_files_beside_the_curves_hold_every_step(offline: Path) -> None:
    steps = json.loads((offline / "analysis.json").read_text())["steps"]
    assert [one["step"] for one in steps] == list(STEPS)
    lines = (offline / "layers.csv").read_text().splitlines()
    assert lines[0].startswith("step,name,role")
    assert [line.split(",")[0] for line in lines[1:]] == ["20"] * 3 + ["40"] * 3
    assert len(list((offline / "esd").iterdir())) == 3


@pytest.mark.parametrize(
    ("name", "step"),
    [
        ("step_100", 100),
        ("step-00000060.pt", 60),
        ("checkpoint-500", 500),
        ("global_step1000", 1000),
        ("epoch=3-step=1200.ckpt", 1200),
        ("iter_0002000", 2000),
        ("ckpt_7.pth", 7),
        ("epoch_4.pt", 4),
        ("model-00001-of-00002.safetensors", None),
        ("consolidated.00.pth", None),
        ("llama-7b", None),
        ("last.ckpt", None),
    ],
)
def test_a_name_tells_its_step(name: str, step: int | None) -> None:
    assert step_of(Path("epoch_9") / name) == step


def save(path: Path, seed: int) -> None:
    torch.manual_seed(seed)
    path.parent.mkdir(parents=True, exist_ok=True)
    torch.save({"fc.weight": torch.randn(24, 32)}, path)


def test_folders_and_files_are_found_in_the_order_of_their_steps(tmp_path: Path) -> None:
    for step in (1000, 500, 1500):
        save(tmp_path / f"checkpoint-{step}" / "pytorch_model.bin", step)
    save(tmp_path / "last.ckpt", 0)
    series = find_series(tmp_path)
    assert series is not None
    assert [step for step, _ in series.steps] == [500, 1000, 1500]
    assert series.beside == ("last.ckpt",)
    assert find_series(tmp_path / "checkpoint-500") is None
    assert find_series(tmp_path / "last.ckpt") is None
    assert find_series(tmp_path / "missing") is None
    save(tmp_path / "step_500.pt", 0)
    with pytest.raises(InputError, match="both of step 500"):
        find_series(tmp_path)


def test_shards_of_a_step_are_one_checkpoint_of_that_step(tmp_path: Path) -> None:
    save(tmp_path / "checkpoint-9" / "model.pt", 0)
    save(tmp_path / "checkpoint-9" / "global_step9" / "mp_rank_00.pt", 1)
    assert find_series(tmp_path / "checkpoint-9") is None
    found = find_series(tmp_path)
    assert found is not None
    assert [step for step, _ in found.steps] == [9]


def test_steps_are_not_taken_for_parts_of_one_model(tmp_path: Path) -> None:
    for step in (1, 2):
        save(tmp_path / "files" / f"step_{step}.pt", step)
        save(tmp_path / "trainer" / f"checkpoint-{step}" / "pytorch_model.bin", step)
        save(tmp_path / "run" / "checkpoints" / f"step_{step}.pt", step)
    for name in ("files", "trainer", "run"):
        with pytest.raises(InputError, match="checkpoints of a training, steps 1 to 2"):
            htmu_diag.analyze(tmp_path / name)
    save(tmp_path / "trainer" / "pytorch_model.bin", 3)
    tail = Options(tail_only=True)
    last = htmu_diag.analyze(tmp_path / "trainer", options=tail)
    alone = htmu_diag.analyze(tmp_path / "trainer" / "pytorch_model.bin", options=tail)
    assert same(last["fc.weight"].tail, alone["fc.weight"].tail)


def test_a_damaged_checkpoint_is_named_and_the_others_go_on(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    for step in (1, 2, 3):
        save(tmp_path / "all" / f"step_{step}.pt", step)
    (tmp_path / "all" / "step_2.pt").write_bytes(b"torn")
    (tmp_path / "all" / "step_4").mkdir()
    (tmp_path / "all" / "step_4" / "model.safetensors.index.json").write_text("no index")
    assert main(["analyze", str(tmp_path / "all"), "--out", str(tmp_path / "out"), "--tail-only"]) == 1
    printed = capsys.readouterr()
    assert "step 2 left out" in printed.err
    assert "step 4 left out" in printed.err
    assert [line.split()[0] for line in printed.out.splitlines()[:3]] == ["step", "1", "3"]
    run = htmu_diag.load_run(tmp_path / "out")
    assert run.steps == (1, 2, 3, 4)
    assert "not a PyTorch file" in dict(run.events())[2]
    assert run.options == Options(tail_only=True)
    assert main(["show", str(tmp_path / "out")]) == 0
    shown = capsys.readouterr().out
    assert "step 3 (2 measured steps, 1 to 3)" in shown
    assert re.search(r"2 steps, 2 to 4, could not be measured: .*step_4.*an index of shards", shown)
    assert "no numbers yet" not in shown
    with pytest.raises(InputError, match="not a PyTorch file"):
        list(analyze_series(tmp_path / "all", options=Options(tail_only=True)))


def test_a_series_of_damaged_checkpoints_only_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "step_1.pt").write_bytes(b"torn")
    assert main(["analyze", str(tmp_path)]) == 2
    assert "not a PyTorch file" in capsys.readouterr().err
    with pytest.raises(InputError, match="no checkpoint with a step in its name"):
        list(analyze_series(tmp_path / "step_1.pt"))


def test_a_run_folder_in_use_is_refused_before_anything_is_measured(tmp_path: Path) -> None:
    save(tmp_path / "all" / "step_1.pt", 1)
    first = analyze_series(tmp_path / "all", log_dir=tmp_path / "out", options=Options(tail_only=True))
    next(first)
    with pytest.raises(StorageError, match="with tail_only True and not False"):
        next(analyze_series(tmp_path / "all", log_dir=tmp_path / "out"))
    first.close()
