"""Which keys a configuration uses: a LeNet has no heads, and nobody wants to read that it has four."""

from __future__ import annotations

from htmu_diag.config.schema import DataConfig, ModelConfig, OptimizerConfig, TrainConfig

__all__ = ["set_in_vain", "unused"]

_EVERY_DATA = "batch_size test_fraction samples"
_IMAGES = "root batch_size random_labels samples augment"

# name -> the keys of its section that it reads, beside "name"
_USES = {
    "model": {
        "mlp": "widths activation",
        "lenet": "channels",
        "resnet9": "channels",
        "alexnet": "channels dropout",
        "char_transformer": "embedding heads layers dropout",
    },
    "data": {
        "digits": f"{_EVERY_DATA} random_labels",
        "noise": f"{_EVERY_DATA} random_labels",
        "power_law": f"{_EVERY_DATA} random_labels exponent dimension",
        "modular": f"{_EVERY_DATA} random_labels modulus",
        "stdlib_text": f"{_EVERY_DATA} random_labels context",
        "mnist": _IMAGES,
        "cifar10": _IMAGES,
    },
    "optimizer": {
        "sgd": "lr momentum weight_decay schedule warmup clip",
        "muon": "lr momentum weight_decay schedule warmup clip",
        "adamw": "lr weight_decay schedule warmup clip",
    },
}


def unused(config: TrainConfig) -> tuple[str, ...]:
    """The dotted keys that the chosen model, data set and optimizer do not read."""
    return tuple(
        f"{name}.{key}"
        for name, section in _sections(config).items()
        for key in vars(section)
        if key != "name" and key not in _USES[name][section.name].split()
    )


def set_in_vain(config: TrainConfig) -> dict[str, str]:
    """The unused keys that were given another value than their default -> the name of what does not read them."""
    given, usual = _sections(config), _sections(TrainConfig())
    return {
        f"{name}.{key}": section.name
        for name, section in given.items()
        for key in vars(section)
        if f"{name}.{key}" in unused(config) and getattr(section, key) != getattr(usual[name], key)
    }


def _sections(config: TrainConfig) -> dict[str, ModelConfig | DataConfig | OptimizerConfig]:
    return {"model": config.model, "data": config.data, "optimizer": config.optimizer}
