"""The table of what each model, data set and optimizer reads is true: only a used key changes something."""

from __future__ import annotations

from dataclasses import fields, replace
from typing import Any, get_args

import pytest
import torch

from htmu_diag.config import DataConfig, ModelConfig, OptimizerConfig, TrainConfig, load_config, to_yaml, used
from htmu_diag.config.schema import DataName, ModelName
from htmu_diag.config.used import set_in_vain, unused
from htmu_diag.training.datasets import load_dataset
from htmu_diag.training.models import build_model
from htmu_diag.training.optimizers import build_optimizer, learning_rate

SMALL = ModelConfig(widths=(6, 5), channels=4, embedding=8, heads=2, layers=1)
OTHER_MODEL = {
    "widths": (7,), "activation": "tanh", "channels": 8, "dropout": 0.5, "embedding": 16, "heads": 4, "layers": 2,
}  # fmt: skip
SMALL_DATA = DataConfig(samples=40, dimension=6, modulus=5)
OTHER_DATA = {
    "random_labels": 1.0, "test_fraction": 0.5, "samples": 20, "context": 8, "augment": True, "exponent": 2.0,
    "dimension": 7, "modulus": 7, "root": "elsewhere",
}  # fmt: skip
OTHER_OPTIMIZER = {
    "lr": 0.3, "momentum": 0.1, "weight_decay": 0.1, "schedule": "linear", "warmup": 5,
}  # fmt: skip


def model_text(config: ModelConfig) -> str:
    text = config.name == "char_transformer"
    shape = (12,) if text else (1, 32, 32)
    model = build_model(config, shape, 10).train()
    torch.manual_seed(0)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=0.3)
    inputs = torch.arange(24).reshape(2, 12) % 10 if text else torch.randn(2, *shape)
    torch.manual_seed(1)
    return f"{model}{model(inputs).sum():.6f}"


def data_text(config: DataConfig) -> str:
    data = load_dataset(config)
    inputs, targets = data.batch(0, 16, 0)
    tests = [len(labels) for _, labels in data.test_batches(1000)]
    return (
        f"{inputs.shape}{inputs.double().abs().sum():.6f}{targets.sum()}{data.outputs}{tests}{len(data.head(10**6)[0])}"
    )


def optimizer_text(config: OptimizerConfig) -> str:
    rates = [learning_rate(config, step, 20) for step in range(20)]
    return f"{build_optimizer(config, build_model(SMALL, (1, 4, 4), 3))}{rates}"


def check(section: str, config: Any, others: dict[str, Any], text: Any) -> None:
    idle = {key.partition(".")[2] for key in unused(replace(TrainConfig(), **{section: config})) if section in key}
    before = text(config)
    for key, value in others.items():
        same = text(replace(config, **{key: value})) == before
        assert same == (key in idle), f"{section}.{key} of {config.name}"


@pytest.mark.parametrize("name", get_args(ModelName))
def test_of_models(name: Any) -> None:
    check("model", replace(SMALL, name=name), OTHER_MODEL, model_text)


@pytest.mark.parametrize("name", sorted({*get_args(DataName)} - {"mnist", "cifar10"}))
def test_of_data_that_need_no_files(name: Any) -> None:
    pytest.importorskip("sklearn")
    samples = 4000 if name == "stdlib_text" else 40
    others = {**OTHER_DATA, "samples": samples // 2}
    if name == "stdlib_text":
        del others["random_labels"]  # it is read: refused
    if name == "modular":
        del others["samples"]  # 12 of 25 pairs either way; cut as every data set is
    check("data", replace(SMALL_DATA, name=name, samples=samples), others, data_text)


@pytest.mark.parametrize("name", ["sgd", "adamw"])
def test_of_optimizers(name: Any) -> None:
    check("optimizer", OptimizerConfig(name=name), OTHER_OPTIMIZER, optimizer_text)


def test_what_is_unused_is_not_shown_and_not_lost(tmp_path: Any) -> None:
    config = replace(TrainConfig(), model=ModelConfig("lenet", heads=8, embedding=64))
    assert set(used(config)["model"]) == {"name", "channels"}
    assert set_in_vain(config) == {"model.heads": "lenet", "model.embedding": "lenet"}
    path = tmp_path / "config.yaml"
    path.write_text(to_yaml(config))
    assert "widths" not in path.read_text()
    assert load_config(path) == config


def test_every_key_of_a_section_is_used_by_somebody() -> None:
    names: dict[str, Any] = {"model": get_args(ModelName), "data": get_args(DataName), "optimizer": ["sgd"]}
    kinds: dict[str, Any] = {"model": ModelConfig, "data": DataConfig, "optimizer": OptimizerConfig}
    for section, kind in kinds.items():
        idle = [set(unused(replace(TrainConfig(), **{section: kind(name=name)}))) for name in names[section]]
        assert not {f"{section}.{one.name}" for one in fields(kind)} & set.intersection(*idle)
