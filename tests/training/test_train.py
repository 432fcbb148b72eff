"""The loop: it learns, resumes bit for bit, and measures what it says it measures."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import torch

import htmu_diag
from htmu_diag.config import TrainConfig, load_config
from htmu_diag.errors import ConfigError, StorageError
from htmu_diag.training import Progress, train
from htmu_diag.training.optimizers import learning_rate

CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = [
    "--data.samples=256",
    "--model.widths=[40,30,20]",
    "--steps=12",
    "--monitor.every=6",
    "--evaluate_every=6",
    "--device=cpu",
]


def small(*overrides: str, name: str = "digits_mlp") -> TrainConfig:
    return load_config(CONFIGS / f"{name}.yaml", [*SMALL, *overrides])


def weights(checkpoint: Path) -> dict[str, torch.Tensor]:
    model: dict[str, torch.Tensor] = torch.load(checkpoint, weights_only=True)["model"]
    return model


def stop_at(step: int) -> object:
    """A report that raises the interruption a Ctrl-C would raise, without a terminal."""

    def report(progress: Progress) -> None:
        if progress.step == step:
            raise KeyboardInterrupt

    return report


@pytest.mark.parametrize(
    ("name", "overrides"),
    [
        ("digits_mlp", ()),
        ("digits_cnn", ("--model.channels=16",)),
        ("cifar10_resnet9", ("--data.name=noise", "--model.channels=4", "--data.batch_size=16", "--steps=3")),
        ("stdlib_char_gpt", ("--data.samples=20000", "--model.embedding=32", "--model.layers=1", "--steps=4")),
    ],
)
def test_every_shipped_config_runs_and_is_measured_at_its_ends(
    name: str, overrides: tuple[str, ...], tmp_path: Path
) -> None:
    config = small(*overrides, name=name)
    outcome = train(config, tmp_path / "run")
    run = htmu_diag.load_run(tmp_path / "run")
    assert (run.steps[0], run.steps[-1], outcome.step) == (0, config.steps, config.steps)
    assert outcome.record is not None
    assert len(outcome.record.diagnoses) >= 3
    assert outcome.test is not None
    rates = dict(run.scalars()["temperature/lr"])  # before the first step too it is that of the first step
    assert rates[0] == pytest.approx(learning_rate(config.optimizer, 0, config.steps))


def test_the_digits_are_learned(tmp_path: Path) -> None:
    outcome = train(small("--steps=200", "--data.samples=1000"), tmp_path / "run")
    assert outcome.test is not None
    assert outcome.test.accuracy > 0.9


ALEXNET = ("--model.name=alexnet", "--model.channels=4", "--model.dropout=0.5", "--optimizer.name=adamw")


@pytest.mark.parametrize("extra", [(), (*ALEXNET, "--monitor.include=[]")])
def test_a_resumed_run_is_bit_identical_to_an_uninterrupted_one(extra: tuple[str, ...], tmp_path: Path) -> None:
    config = small("--checkpoint.every=5", *extra)
    whole = train(config, tmp_path / "whole")
    with pytest.raises(KeyboardInterrupt):
        train(config, tmp_path / "halves", report=stop_at(8))  # type: ignore[arg-type]
    resumed = train(config, tmp_path / "halves", resume=True)
    one, other = weights(whole.checkpoint), weights(resumed.checkpoint)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert htmu_diag.load_run(tmp_path / "halves").steps[-1] == htmu_diag.load_run(tmp_path / "whole").steps[-1] == 12


def test_training_is_the_same_with_any_cadence_of_measurement(tmp_path: Path) -> None:
    one = train(small("--monitor.every=1"), tmp_path / "often")
    other = train(small("--monitor.every=100"), tmp_path / "rarely")
    first, second = weights(one.checkpoint), weights(other.checkpoint)
    assert all(torch.equal(first[name], second[name]) for name in first)


def test_another_configuration_and_a_damaged_checkpoint_are_refused_by_name(tmp_path: Path) -> None:
    outcome = train(small("--steps=2"), tmp_path / "run")
    with pytest.raises(ConfigError, match=r"another optimizer\.lr"):
        train(small("--steps=2", "--optimizer.lr=0.01"), tmp_path / "run", resume=True)
    outcome.checkpoint.write_bytes(b"torn")
    with pytest.raises(StorageError, match="damaged checkpoint"):
        train(small("--steps=2"), tmp_path / "run", resume=True)


def test_only_the_newest_checkpoints_stay(tmp_path: Path) -> None:
    train(small("--checkpoint.every=3", "--checkpoint.keep=2"), tmp_path / "run")
    kept = sorted(path.name for path in (tmp_path / "run" / "checkpoints").iterdir())
    assert kept == ["step-00000009.pt", "step-00000012.pt"]


def test_an_occupied_folder_is_refused(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("mine")
    with pytest.raises(StorageError, match="is not empty"):
        train(small(), tmp_path)
    assert [path.name for path in tmp_path.iterdir()] == ["notes.txt"]


def test_the_run_s_own_config_describes_it(tmp_path: Path) -> None:
    config = small("--dtype=float64")
    train(config, tmp_path / "run")
    assert load_config(tmp_path / "run" / "config.yaml") == config
    assert htmu_diag.load_run(tmp_path / "run").info["config"]["optimizer"]["lr"] == config.optimizer.lr


def test_a_diverging_run_reaches_its_end(tmp_path: Path) -> None:
    with pytest.warns(RuntimeWarning, match="NaN|infinite"):
        outcome = train(small("--optimizer.lr=1e12", "--steps=8"), tmp_path / "run")
    assert outcome.step == 8


def test_a_model_for_other_inputs_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"model\.name: char_transformer cannot read inputs of shape \(1, 8, 8\)"):
        train(small("--model.name=char_transformer"), tmp_path / "run")
    assert not (tmp_path / "run").exists()


def test_bfloat16_keeps_float32_weights(tmp_path: Path) -> None:
    outcome = train(replace(small(), dtype="bfloat16", steps=2), tmp_path / "run")
    assert {tensor.dtype for tensor in weights(outcome.checkpoint).values()} == {torch.float32}
