"""A checkpoint gives the same matrices as the live model, whatever its format; bad files are one clear line."""

import json
import pickle
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn.utils import parametrizations

from htmu_diag.errors import InputError
from htmu_diag.matrices import Inventory, checkpoint_matrices, matrices


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(11, 8)
        self.attn = nn.MultiheadAttention(8, 2)
        self.conv = nn.Conv1d(8, 6, 3)
        self.lstm = nn.LSTM(8, 5, proj_size=3)
        self.gru = nn.GRU(8, 5)
        self.experts = nn.Parameter(torch.randn(3, 8, 4))
        self.norm = parametrizations.weight_norm(nn.Linear(8, 4))
        self.spectral = parametrizations.spectral_norm(nn.Linear(8, 4))
        self.lora_A = nn.Parameter(torch.randn(2, 8))
        self.lora_B = nn.Parameter(torch.randn(8, 2))


@pytest.fixture(scope="module")
def model() -> nn.Module:
    torch.manual_seed(0)
    return Block()


def assert_same(stored: Inventory, live: Inventory) -> None:
    assert {m.name: (m.shape, m.role) for m in stored} == {m.name: (m.shape, m.role) for m in live}
    for matrix in live:
        torch.testing.assert_close(
            stored[matrix.name].read().double(), matrix.read().double(), rtol=1e-5, atol=1e-6, msg=matrix.name
        )


def write(kind: str, state: dict[str, torch.Tensor], folder: Path) -> Path:
    if kind == "safetensors":
        save_file(state, folder / "model.safetensors")
        return folder / "model.safetensors"
    if kind == "sharded":
        names = list(state)
        shards = {"a.safetensors": names[::2], "b.safetensors": names[1::2]}
        for file, members in shards.items():
            save_file({name: state[name] for name in members}, folder / file)
        weight_map = {name: file for file, members in shards.items() for name in members}
        (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
        return folder
    if kind == "distributed":
        from torch.distributed.checkpoint.state_dict_saver import save

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save({"model": state, "optimizer": {"state": torch.zeros(3, 3)}, "step": 4}, checkpoint_id=folder / "dcp")
        return folder / "dcp"
    path = folder / "pytorch_model.bin"
    wrapped = {"plain": state, "legacy": state, "nested": {"epoch": 1, "state_dict": state, "optimizer": {"m": state}}}
    torch.save(wrapped[kind], path, _use_new_zipfile_serialization=kind != "legacy")
    torch.save({"exp_avg": torch.zeros(4, 4)}, folder / "optimizer.pt")
    return folder


@pytest.mark.parametrize("kind", ["safetensors", "sharded", "plain", "legacy", "nested", "distributed"])
def test_every_format_gives_the_matrices_of_the_live_model(kind: str, model: nn.Module, tmp_path: Path) -> None:
    stored = checkpoint_matrices(write(kind, dict(model.state_dict()), tmp_path))
    assert_same(stored, matrices(model))


def test_wrapper_prefixes_are_dropped_and_the_old_norms_are_effective(tmp_path: Path) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        net = nn.Sequential(
            nn.utils.weight_norm(nn.Conv2d(3, 4, 2)), nn.utils.spectral_norm(nn.ConvTranspose2d(4, 5, 2))
        )
    state = {f"module._orig_mod.{name}": value for name, value in net.state_dict().items()}
    torch.save(state, tmp_path / "model.pt")
    assert_same(checkpoint_matrices(tmp_path / "model.pt", like=net), matrices(net))


def test_layouts_that_a_file_cannot_tell_come_from_a_model_on_the_meta_device(tmp_path: Path) -> None:
    net = nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Linear(6, 6))
    save_file(dict(net.state_dict()), tmp_path / "model.safetensors")
    with torch.device("meta"):
        like = nn.Sequential(nn.ConvTranspose2d(4, 6, 3, groups=2), nn.Linear(6, 6))
    assert_same(checkpoint_matrices(tmp_path, like=like), matrices(net))


def test_gpt2_names_are_split_and_transposed_from_a_file(tmp_path: Path) -> None:
    transformers = pytest.importorskip("transformers")
    model = transformers.GPT2LMHeadModel(transformers.GPT2Config(n_embd=24, n_layer=1, n_head=3, vocab_size=50))
    model.save_pretrained(tmp_path)
    stored, live = checkpoint_matrices(tmp_path, heads=True), matrices(model, heads=True)
    assert {m.name: m.shape for m in stored} == {m.name: m.shape for m in live}
    name = "transformer.h.0.attn.c_attn.weight.v.head1"
    torch.testing.assert_close(stored[name].read(), live[name].read())
    torch.save(model.state_dict(), tmp_path / "tied.pt")
    tied = checkpoint_matrices(tmp_path / "tied.pt")
    assert any("tied to transformer.wte.weight" in skip.reason for skip in tied.skipped)


def test_integer_tensors_causal_masks_and_lone_parametrised_parts_have_reasons(tmp_path: Path) -> None:
    state = {
        "qweight": torch.ones(4, 4, dtype=torch.int32),
        "h.0.attn.bias": torch.ones(1, 1, 8, 8),
        "fc.parametrizations.weight.original": torch.randn(4, 4),
    }
    save_file(state, tmp_path / "model.safetensors")
    inventory = checkpoint_matrices(tmp_path)
    reasons = {skip.name: skip.reason for skip in inventory.skipped}
    assert len(inventory) == 0
    assert "dequantise" in reasons["qweight"]
    assert reasons["h.0.attn.bias"] == "a causal mask, not a weight"
    assert "analyse the live model" in reasons["fc.parametrizations.weight.original"]


class Bomb:
    def __reduce__(self) -> tuple[object, tuple[str]]:
        return print, ("code was run",)


def test_a_pickle_that_needs_code_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"model": Bomb()}, tmp_path / "model.pt")
    with pytest.raises(InputError, match="needs code to be run, which is refused"):
        checkpoint_matrices(tmp_path / "model.pt")
    (tmp_path / "dcp").mkdir()
    (tmp_path / "dcp" / ".metadata").write_bytes(pickle.dumps(Bomb()))
    with pytest.raises(InputError, match="damaged or needs code"):
        checkpoint_matrices(tmp_path / "dcp")
    assert "code was run" not in capsys.readouterr().out


def test_bad_paths_are_refused_in_one_line(tmp_path: Path, model: nn.Module) -> None:
    whole = write("safetensors", dict(model.state_dict()), tmp_path)
    cases = {
        "missing.pt": (None, "no such file"),
        "cut.safetensors": (whole.read_bytes()[:-100], "not a whole safetensors file"),
        "text.safetensors": (b"hello world, this is text", "not a whole safetensors file"),
        "text.pt": (b"hello", "not a PyTorch file"),
        "notes.txt": (b"hello", "no checkpoint by its first bytes"),
        "number.pt": (pickle.dumps(3, protocol=2), "torch cannot read it|no tensors|needs code"),
    }
    for name, (content, message) in cases.items():
        if content is not None:
            (tmp_path / name).write_bytes(content)
        with pytest.raises(InputError, match=message) as caught:
            checkpoint_matrices(tmp_path / name)
        assert len(str(caught.value).splitlines()) == 1
    (tmp_path / "empty").mkdir()
    with pytest.raises(InputError, match="no weights in this folder"):
        checkpoint_matrices(tmp_path / "empty")


def test_a_missing_shard_is_named(tmp_path: Path, model: nn.Module) -> None:
    write("sharded", dict(model.state_dict()), tmp_path)
    (tmp_path / "b.safetensors").unlink()
    with pytest.raises(InputError, match="shards are missing: b.safetensors"):
        checkpoint_matrices(tmp_path)
