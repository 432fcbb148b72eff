"""`--resume` on damaged and foreign checkpoints: one sentence each; no training goes on from rotten weights."""

from __future__ import annotations

import os
import pickle
import random
import shutil
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from torch import nn

from htmu_diag.config import TrainConfig, load_config
from htmu_diag.errors import ConfigError, HTMUError, StorageError
from htmu_diag.training import train
from htmu_diag.training.checkpoints import load_checkpoint, save_checkpoint
from htmu_diag.training.state import initial_state

CONFIGS = Path(__file__).parents[2] / "configs"


@pytest.fixture(scope="module")
def config() -> TrainConfig:
    options = ["--data.samples=64", "--model.widths=[12,10]", "--steps=2", "--device=cpu", "--monitor.every=2"]
    return load_config(CONFIGS / "digits_mlp.yaml", [*options, "--optimizer.name=adamw", "--evaluate_every=2"])


@pytest.fixture(scope="module")
def whole(config: TrainConfig, tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = train(config, tmp_path_factory.mktemp("run") / "run").checkpoint
    assert path is not None
    return path


def resume(path: Path, config: TrainConfig) -> None:
    load_checkpoint(path, initial_state(config), config)


def assert_refused(path: Path, config: TrainConfig) -> str:
    """In one sentence, which is returned."""
    with pytest.raises((StorageError, ConfigError)) as caught:
        resume(path, config)
    assert len(str(caught.value).splitlines()) == 1
    assert len(str(caught.value)) < 600
    return str(caught.value)


def changed(whole: Path, path: Path, change: Callable[[dict[str, Any]], Any]) -> None:
    content = torch.load(whole, weights_only=True)
    change(content)
    torch.save(content, path)


def first(table: dict[Any, Any]) -> Any:
    return next(iter(table))


def wrong_moment(content: dict[str, Any]) -> None:
    state = content["optimizer"]["state"]
    state[first(state)]["exp_avg"] = torch.zeros(3, 3)


FOREIGN: dict[str, Callable[[dict[str, Any]], Any]] = {
    **{f"without {key}": (lambda c, key=key: c.pop(key)) for key in ("step", "config", "model", "optimizer", "random")},
    **{
        f"{key} is a number": (lambda c, key=key: c.update({key: 1.5}))
        for key in ("step", "config", "model", "optimizer")
    },
    "random is a list": lambda c: c.update(random=[1]),
    "step is True": lambda c: c.update(step=True),
    "step is negative": lambda c: c.update(step=-1),
    "step of 10^40": lambda c: c.update(step=10**40),
    "a missing weight": lambda c: c["model"].pop(first(c["model"])),
    "another weight": lambda c: c["model"].update(other=torch.ones(2)),
    "a weight of another shape": lambda c: c["model"].update({first(c["model"]): torch.ones(3)}),
    "a weight that is text": lambda c: c["model"].update({first(c["model"]): "x"}),
    "another model": lambda c: c.update(model=nn.Linear(3, 2).state_dict()),
    "another optimizer": lambda c: c.update(optimizer=torch.optim.SGD(nn.Linear(3, 2).parameters()).state_dict()),
    "no groups": lambda c: c["optimizer"].pop("param_groups"),
    "groups of text": lambda c: c["optimizer"].update(param_groups="x"),
    "a state of text": lambda c: c["optimizer"].update(state="x"),
    "moments of another shape": wrong_moment,
    "a random state of three bytes": lambda c: c["random"].update(cpu=torch.zeros(3, dtype=torch.uint8)),
    "a random state of floats": lambda c: c["random"].update(cpu=torch.zeros(5056)),
    "no random state": lambda c: c["random"].pop("cpu"),
    "a configuration of text": lambda c: c.update(config={"model": "x"}),
    "an empty configuration": lambda c: c.update(config={}),
    "another configuration": lambda c: c["config"]["model"].update(widths=[3]),
}


@pytest.mark.parametrize("foreign", FOREIGN)
def test_a_checkpoint_that_does_not_fit_is_one_sentence(
    foreign: str, whole: Path, config: TrainConfig, tmp_path: Path
) -> None:
    changed(whole, tmp_path / "x.pt", FOREIGN[foreign])
    assert_refused(tmp_path / "x.pt", config)


class Acts:
    def __reduce__(self) -> Any:
        return os.system, ("true",)


def zip_of(path: Path, **entries: bytes) -> None:
    with zipfile.ZipFile(path, "w") as archive:
        for name, data in entries.items():
            archive.writestr(name, data)


FILES: dict[str, Callable[[Path], Any]] = {
    "empty": lambda p: p.touch(),
    "text": lambda p: p.write_text("hello"),
    "a FIFO": os.mkfifo,
    "a folder": lambda p: p.mkdir(),
    "a device": lambda p: p.symlink_to("/dev/zero"),
    "a link to nothing": lambda p: p.symlink_to("nothing"),
    "another zip": lambda p: zip_of(p, readme=b"x"),
    "an empty zip": lambda p: zip_of(p),
    "a bare state dict": lambda p: torch.save(nn.Linear(3, 2).state_dict(), p),
    "a tensor": lambda p: torch.save(torch.ones(3), p),
    "a list": lambda p: torch.save([1, 2], p),
    "a whole model": lambda p: torch.save(nn.Linear(3, 2), p),
    "code": lambda p: torch.save({"step": Acts()}, p),
    "plain pickle": lambda p: p.write_bytes(pickle.dumps({"step": 1})),
    "old format": lambda p: torch.save({"step": 1}, p, _use_new_zipfile_serialization=False),
}


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("name", FILES)
def test_a_file_that_is_no_checkpoint_is_one_sentence(name: str, config: TrainConfig, tmp_path: Path) -> None:
    FILES[name](tmp_path / "x.pt")
    assert_refused(tmp_path / "x.pt", config)


def test_flipped_bits_anywhere_never_resume_silently(whole: Path, config: TrainConfig, tmp_path: Path) -> None:
    """64 bytes of each entry in turn, and cuts: refused. What is accepted is, byte for byte, what was saved."""
    content, rng = whole.read_bytes(), random.Random(0)
    with zipfile.ZipFile(whole) as archive:
        places = [(e.header_offset + 30 + len(e.filename) + 200, e.file_size) for e in archive.infolist()]
    saved = torch.load(whole, weights_only=True)
    outcomes = []
    for start, size in places:
        data = bytearray(content)
        for place in range(start, min(start + min(size, 64), len(data))):
            data[place] ^= 1 << rng.randrange(8)
        (tmp_path / "x.pt").write_bytes(bytes(data))
        try:
            state = initial_state(config)
            load_checkpoint(tmp_path / "x.pt", state, config)
        except HTMUError:
            outcomes.append("refused")
            continue
        outcomes.append("same")
        for name, weight in state.model.state_dict().items():
            assert torch.equal(weight, saved["model"][name]), name
    assert outcomes.count("refused") > len(places) / 2
    for cut in range(10, len(content), len(content) // 8):
        (tmp_path / "x.pt").write_bytes(content[:cut])
        assert_refused(tmp_path / "x.pt", config)


def test_weights_with_flipped_bits_are_refused_by_their_checksum(
    whole: Path, config: TrainConfig, tmp_path: Path
) -> None:
    shutil.copy(whole, tmp_path / "x.pt")
    saved = torch.load(whole, weights_only=True)["model"]
    weight = max(saved.values(), key=torch.Tensor.numel).numpy().tobytes()
    data = whole.read_bytes()
    place = data.index(weight) + len(weight) // 2
    (tmp_path / "x.pt").write_bytes(
        data[:place] + bytes(b ^ 255 for b in data[place : place + 64]) + data[place + 64 :]
    )
    assert "checksum" in assert_refused(tmp_path / "x.pt", config)


def test_checkpoints_are_not_written_through_a_link(tmp_path: Path) -> None:
    elsewhere, folder = tmp_path / "elsewhere", tmp_path / "run" / "checkpoints"
    elsewhere.mkdir()
    folder.parent.mkdir()
    folder.symlink_to(elsewhere, target_is_directory=True)
    with pytest.raises(StorageError, match="a link"):
        save_checkpoint(folder, initial_state(TrainConfig()), TrainConfig())
    assert not list(elsewhere.iterdir())
