"""Typed YAML configurations."""

from htmu_diag.config.load import as_dict, config_parser, differences, keys, load_config, to_yaml
from htmu_diag.config.schema import (
    CheckpointConfig,
    DataConfig,
    ModelConfig,
    MonitorConfig,
    OptimizerConfig,
    TrainConfig,
)

__all__ = [
    "CheckpointConfig",
    "DataConfig",
    "ModelConfig",
    "MonitorConfig",
    "OptimizerConfig",
    "TrainConfig",
    "as_dict",
    "config_parser",
    "differences",
    "keys",
    "load_config",
    "to_yaml",
]
