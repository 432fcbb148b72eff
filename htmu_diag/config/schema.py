"""The typed configuration of a training run: one frozen dataclass for each section of the YAML file.

Field names are the file's keys and the command line's dotted overrides; the text under ``Args`` is the command's help.
Ranges are checked when a value is built, so a bad number is refused before a folder is made.
"""

from __future__ import annotations

from dataclasses import dataclass, field, fields
from typing import Any, Literal

from htmu_diag.analysis.options import Options
from htmu_diag.config.ranges import at_least, intervals, require
from htmu_diag.errors import ConfigError
from htmu_diag.nearest import did_you_mean

__all__ = [
    "CheckpointConfig",
    "DataConfig",
    "ModelConfig",
    "MonitorConfig",
    "OptimizerConfig",
    "TrainConfig",
]

LARGEST = 1e30
ModelName = Literal["mlp", "lenet", "resnet9", "alexnet", "char_transformer"]
DataName = Literal["digits", "mnist", "cifar10", "stdlib_text", "noise", "power_law", "modular"]
When = int | Literal["log"] | list[int]
Cadence = When | dict[str, When]


@dataclass(frozen=True)
class ModelConfig:
    """Which network is trained, and its sizes.

    Args:
        name: mlp, lenet, resnet9, alexnet (miniature) or char_transformer.
        widths: hidden widths of the mlp, from the input side.
        activation: nonlinearity of the mlp.
        channels: width of the convolutional networks (channels of their first layer).
        dropout: probability of a zeroed activation (alexnet, char_transformer).
        embedding: width of the transformer's residual stream.
        heads: attention heads; they must divide the embedding.
        layers: transformer blocks.
    """

    name: ModelName = "mlp"
    widths: tuple[int, ...] = (512, 512)
    activation: Literal["relu", "tanh", "gelu"] = "relu"
    channels: int = 32
    dropout: float = 0.0
    embedding: int = 128
    heads: int = 4
    layers: int = 4

    def __post_init__(self) -> None:
        require(all(width >= 1 for width in self.widths), "model.widths", self.widths, "positive integers")
        for key in ("channels", "embedding", "heads", "layers"):
            at_least("model", key, getattr(self, key), 1)
        require(0 <= self.dropout < 1, "model.dropout", self.dropout, "in [0, 1)")
        require(
            self.embedding % self.heads == 0, "model.embedding", self.embedding, f"a multiple of {self.heads} heads"
        )


@dataclass(frozen=True)
class DataConfig:
    """Which data it is trained on.

    Args:
        name: digits (scikit-learn), mnist or cifar10 (files under root), stdlib_text (Python's own library),
            noise (Gaussian images with random labels), power_law (Gaussian inputs of covariance i^-exponent) or
            modular (a + b modulo a number).
        root: folder of mnist and cifar10 files; nothing is ever downloaded unless you run ``htmu fetch``.
        batch_size: samples (text: sequences) in one step.
        random_labels: fraction of training labels replaced by uniform random ones.
        test_fraction: held-out share of digits, stdlib_text and noise.
        samples: use at most this many training samples; 0 means all.
        context: characters in one training sequence of text.
        augment: random crops and flips of images (cifar10).
        exponent: a of power_law: the variance of input i is proportional to i^-a.
        dimension: inputs of power_law.
        modulus: of modular addition; the pairs are its square.
    """

    name: DataName = "digits"
    root: str = "data"
    batch_size: int = 64
    random_labels: float = 0.0
    test_fraction: float = 0.2
    samples: int = 0
    context: int = 64
    augment: bool = False
    exponent: float = 1.0
    dimension: int = 128
    modulus: int = 43

    def __post_init__(self) -> None:
        for key, least in (
            ("batch_size", 1),
            ("samples", 0),
            ("context", 2),
            ("exponent", 0),
            ("dimension", 2),
            ("modulus", 3),
        ):
            at_least("data", key, getattr(self, key), least)
        require(self.modulus <= 1000, "data.modulus", self.modulus, "at most 1,000, where the pairs take 8 GB")
        require(0 <= self.random_labels <= 1, "data.random_labels", self.random_labels, "in [0, 1]")
        require(0 < self.test_fraction < 1, "data.test_fraction", self.test_fraction, "in (0, 1)")


@dataclass(frozen=True)
class OptimizerConfig:
    """How weights move.

    Args:
        name: sgd (with momentum), adamw, or muon (orthogonalised momentum for matrices but the first embedding and the
            last layer, adamw at the same rate for the rest; needs torch 2.9).
        lr: peak learning rate.
        momentum: of sgd and muon.
        weight_decay: added to the gradient by sgd, decoupled in adamw and muon.
        schedule: constant, cosine (to zero) or linear (to zero), after the warm-up.
        warmup: steps of linear warm-up.
        clip: largest norm of the whole gradient; 0 means no clipping.
    """

    name: Literal["sgd", "adamw", "muon"] = "sgd"
    lr: float = 0.1
    momentum: float = 0.9
    weight_decay: float = 0.0
    schedule: Literal["constant", "cosine", "linear"] = "cosine"
    warmup: int = 0
    clip: float = 0.0

    def __post_init__(self) -> None:
        require(0 < self.lr < LARGEST, "optimizer.lr", self.lr, "positive and finite, below 1e30")
        require(0 <= self.momentum < 1, "optimizer.momentum", self.momentum, "in [0, 1)")
        for key in ("weight_decay", "warmup", "clip"):
            at_least("optimizer", key, getattr(self, key), 0)


@dataclass(frozen=True)
class MonitorConfig:
    """What is measured while it trains.

    Args:
        every: steps between two measurements, "log", a list of steps, or one of these for each probe by name
            ({weights: 100, hessian: log}; 100 where a probe is not named). The last step is always measured.
        probes: names of probes (weights; hessian, ntk and others need the fixed probe batch).
        include: layers by glob on parameter names; empty means all.
        batch: samples in that batch: the first training samples, or with held_out the first test samples.
        held_out: take the probe batch from the test samples, as predicted learning curves want it.
        budget: largest share of training time spent measuring; 0 means no limit.
        strict: stop at the first layer that cannot be measured, instead of one warning.
        bootstrap: replicates behind each p-value; 0 leaves p-values out and is several times faster.
        options: further choices of the diagnosis, by the names of htmu_diag.Options ({tail_only: true}).
        settings: of probes by name, the arguments with which they are made ({ntk: {samples: 100}}).
        sinks: names of further sinks (console, jsonl, wandb, trackio, mlflow, those of installed packages).
        tensorboard: write events and pictures for TensorBoard; the spectra are stored in any case.
    """

    every: Cadence = 100
    probes: tuple[str, ...] = ("weights",)
    include: tuple[str, ...] = ()
    batch: int = 128
    held_out: bool = False
    budget: float = 0.0
    strict: bool = False
    bootstrap: int = 100
    options: dict[str, Any] = field(default_factory=dict)
    settings: dict[str, dict[str, Any]] = field(default_factory=dict)
    sinks: tuple[str, ...] = ()
    tensorboard: bool = True

    def diagnosis(self) -> Options:
        """The options of the diagnosis. Raises ConfigError for a choice that there is not."""
        known = [one.name for one in fields(Options) if one.name != "bootstrap"]
        unknown = [name for name in self.options if name not in known]
        for name in unknown:
            answer = did_you_mean(name, known, f"its keys are {', '.join(known)}")
            raise ConfigError(f"monitor.options: unknown key {name!r}; {answer}")
        return Options(bootstrap=self.bootstrap, **self.options)

    def __post_init__(self) -> None:
        self.diagnosis()
        at_least("monitor", "batch", self.batch, 1)
        at_least("monitor", "bootstrap", self.bootstrap, 0)
        for name, interval in intervals(self.every):
            at_least("monitor", name, interval, 1)
        require(0 <= self.budget < 1, "monitor.budget", self.budget, "in [0, 1)")


@dataclass(frozen=True)
class CheckpointConfig:
    """What is kept for a later ``--resume``.

    Args:
        every: optimizer steps between checkpoints; 0 means only the last step (and an interruption).
        keep: newest checkpoints that stay on disk.
    """

    every: int = 0
    keep: int = 2

    def __post_init__(self) -> None:
        at_least("checkpoint", "every", self.every, 0)
        at_least("checkpoint", "keep", self.keep, 1)


@dataclass(frozen=True)
class TrainConfig:
    """A whole run.

    Args:
        model: the network.
        data: the data set.
        optimizer: the optimizer.
        monitor: the measurements.
        checkpoint: what is kept.
        steps: optimizer steps in all.
        evaluate_every: steps between two evaluations on held-out data.
        log_every: steps between two points of the loss curve.
        seed: of initial weights, order of samples and augmentation.
        device: cpu, cuda, cuda:1, mps, or auto (a GPU where there is one).
        dtype: float32 or float64 weights; bfloat16 means float32 weights with autocast.
        threads: CPU threads of torch; 0 leaves torch's own choice.
    """

    model: ModelConfig = field(default_factory=ModelConfig)
    data: DataConfig = field(default_factory=DataConfig)
    optimizer: OptimizerConfig = field(default_factory=OptimizerConfig)
    monitor: MonitorConfig = field(default_factory=MonitorConfig)
    checkpoint: CheckpointConfig = field(default_factory=CheckpointConfig)
    steps: int = 1000
    evaluate_every: int = 200
    log_every: int = 10
    seed: int = 0
    device: str = "auto"
    dtype: Literal["float32", "float64", "bfloat16"] = "float32"
    threads: int = 0

    def __post_init__(self) -> None:
        for key, least in (("steps", 1), ("evaluate_every", 1), ("log_every", 1), ("seed", 0), ("threads", 0)):
            at_least("", key, getattr(self, key), least)
        require(self.threads <= 1024, "threads", self.threads, "at most 1,024")
