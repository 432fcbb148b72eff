"""Typed YAML configurations."""

from htmu_diag.config.bundled import bundled, bundled_path
from htmu_diag.config.load import as_dict, config_parser, differences, keys, load_config, to_yaml, used
from htmu_diag.config.overrides import joined
from htmu_diag.config.schema import (
    CheckpointConfig,
    DataConfig,
    ModelConfig,
    MonitorConfig,
    OptimizerConfig,
    TrainConfig,
)
from htmu_diag.config.used import set_in_vain

__all__ = [
    "CheckpointConfig",
    "DataConfig",
    "ModelConfig",
    "MonitorConfig",
    "OptimizerConfig",
    "TrainConfig",
    "as_dict",
    "bundled",
    "bundled_path",
    "config_parser",
    "differences",
    "joined",
    "keys",
    "load_config",
    "set_in_vain",
    "to_yaml",
    "used",
]
