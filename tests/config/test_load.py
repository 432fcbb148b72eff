"""A configuration is either a checked value or one clear sentence."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from htmu_diag.analysis import Options
from htmu_diag.config import OptimizerConfig, TrainConfig, as_dict, bundled, differences, keys, load_config, to_yaml
from htmu_diag.errors import ConfigError

SHIPPED = sorted((Path(__file__).parents[2] / "configs").glob("*.yaml"))


def write(tmp_path: Path, text: str) -> Path:
    path = tmp_path / "run.yaml"
    path.write_text(text)
    return path


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_every_shipped_config_is_valid_and_written_back_unchanged(path: Path, tmp_path: Path) -> None:
    config = load_config(path)
    assert load_config(write(tmp_path, to_yaml(config))) == config


def test_without_a_file_the_defaults_hold() -> None:
    assert load_config() == TrainConfig()


def test_an_override_wins_over_the_file_and_the_last_override_over_the_first(tmp_path: Path) -> None:
    path = write(tmp_path, "optimizer: {lr: 1e-3, momentum: 0.5}\n")
    config = load_config(path, ["--optimizer.lr=0.2", "--optimizer.lr=0.3"])
    assert (config.optimizer.lr, config.optimizer.momentum) == (0.3, 0.5)


def test_a_value_may_follow_after_a_space_or_an_equals_sign() -> None:
    one, other = (load_config(None, given) for given in (["--steps", "9", "--seed=3"], ["--steps=9", "--seed", "3"]))
    assert one == other
    assert (one.steps, one.seed) == (9, 3)


@pytest.mark.parametrize("path", SHIPPED, ids=lambda path: path.stem)
def test_a_shipped_config_is_found_by_its_name_wherever_one_stands(
    path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert path.stem in bundled()
    assert load_config(path.stem) == load_config(path)


def test_a_file_of_ones_own_wins_over_a_shipped_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "digits_mlp").write_text("steps: 3\n")
    assert load_config("digits_mlp").steps == 3


def test_lists_are_read_from_the_file_and_the_command_line(tmp_path: Path) -> None:
    path = write(tmp_path, "model: {widths: [64, 32]}\nmonitor:\n  probes: [weights, noise]\n")
    config = load_config(path, ["--monitor.include=[fc*]"])
    assert (config.model.widths, config.monitor.probes) == ((64, 32), ("weights", "noise"))
    assert config.monitor.include == ("fc*",)


def test_a_path_with_a_space_is_read(tmp_path: Path) -> None:
    folder = tmp_path / "my configs"
    folder.mkdir()
    assert load_config(write(folder, "data: {root: my data}\n")).data.root == "my data"


@pytest.mark.parametrize(
    ("override", "said"),
    [
        ("--model.nam=mlp", "did you mean 'model.name'"),
        ("--lr=0.1", "did you mean 'optimizer.lr'"),
        ("--widht=3", "did you mean 'model.widths'"),
        ("--zzz=1", "htmu train --help"),
        ("--model=3", "is a section"),
        ("--optimizer.lr=abc", "optimizer.lr: expected a float, got abc"),
        ("--model.widths=64", "model.widths: expected a list, got 64; write [64]"),
        ("--optimizer.lr=nan", "optimizer.lr: expected a float, got nan"),
        ("--optimizer.lr=.inf", "optimizer.lr is inf; it must be positive and finite"),
        ("--optimizer.schedule=cosin", "['constant', 'cosine', 'linear'], got cosin; did you mean 'cosine'?"),
        ("--data.name=qqq", "'modular'], got qqq"),
        ("--model.widths=[0]", "model.widths is (0,); it must be positive integers"),
        ("--model.heads=3", "model.embedding is 128; it must be a multiple of 3 heads"),
        ("--data.random_labels=2", "data.random_labels is 2.0; it must be in [0, 1]"),
        ("--steps=0", "steps is 0; it must be at least 1"),
        ("--steps", "--steps has no value; write --steps=VALUE"),
        ("steps=3", "'steps=3' is not an override; write --steps=3"),
        ("lr=3", "write --optimizer.lr=3"),
        ("stepps=3", "write --section.key=value, such as --optimizer.lr=VALUE"),
    ],
)
def test_a_bad_override_is_refused_with_what_to_do(override: str, said: str) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(None, [override])
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("optimiser: {lr: 0.1}\n", "unknown key 'optimiser.lr'; did you mean 'optimizer.lr'"),
        ("steps: [1\n", "not valid YAML"),
        ("- 1\n", "holds a list"),
        ("model: mlp\n", "'model' is a section"),
        ("steps: many\n", "steps: expected a int, got many"),
    ],
)
def test_a_bad_file_is_refused_with_its_name(text: str, said: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigError) as caught:
        load_config(write(tmp_path, text))
    assert said in str(caught.value)


def test_a_missing_file_is_answered_with_a_near_one(tmp_path: Path) -> None:
    write(tmp_path, "")
    with pytest.raises(ConfigError, match="no such file; did you mean .*run.yaml"):
        load_config(tmp_path / "runs.yaml")


def test_a_folder_is_not_a_file(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match="cannot be read"):
        load_config(tmp_path)


def test_the_keys_are_the_leaves_of_the_written_file() -> None:
    flat = [
        f"{key}.{inner}" if isinstance(value, dict) else key
        for key, value in as_dict(TrainConfig()).items()
        for inner in (value if isinstance(value, dict) else [""])
    ]
    assert sorted(keys()) == sorted(flat)


def test_differences_names_the_keys_that_changed() -> None:
    other = replace(TrainConfig(), seed=1, optimizer=OptimizerConfig(lr=0.5))
    assert differences(as_dict(TrainConfig()), as_dict(other)) == ["optimizer.lr", "seed"]


@pytest.mark.parametrize("every", ["7", "log", "[0,5]", '{"weights":50,"hessian":"log"}'])
def test_a_cadence_is_a_number_a_name_a_list_or_one_for_each_probe(every: str, tmp_path: Path) -> None:
    config = load_config(None, [f"--monitor.every={every}"])
    assert config.monitor.every == yaml.safe_load(every)
    assert load_config(write(tmp_path, to_yaml(config))) == config


@pytest.mark.parametrize("every", ["0", "often", "2.5", '{"weights":0}', "[0.5]"])
def test_a_cadence_without_meaning_is_refused(every: str) -> None:
    with pytest.raises(ConfigError, match=r"^monitor\.every.* (expected|must be) .{1,80}$"):
        load_config(None, [f"--monitor.every={every}"])


def test_a_file_reaches_the_choices_of_the_diagnosis_probes_and_sinks(tmp_path: Path) -> None:
    path = tmp_path / "a.yaml"
    path.write_text(
        "monitor: {bootstrap: 0, options: {tail_only: true}, sinks: [jsonl], probes: [weights], "
        "settings: {weights: {min_side: 3}}}"
    )
    chosen = load_config(path, []).monitor
    assert chosen.diagnosis() == Options(bootstrap=0, tail_only=True)
    assert (chosen.sinks, chosen.settings) == (("jsonl",), {"weights": {"min_side": 3}})
    path.write_text("monitor: {options: {tail_olny: true}}")
    with pytest.raises(ConfigError, match=r"monitor\.options"):
        load_config(path, [])
