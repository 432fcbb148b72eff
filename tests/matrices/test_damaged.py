"""Damaged and hostile files: one clear line each, nothing run, and no other exception whatever the bytes."""

from __future__ import annotations

import argparse
import json
import os
import random
import shutil
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file, save_model
from torch import nn

from htmu_diag.errors import InputError
from htmu_diag.matrices import Inventory, checkpoint_matrices

STATE = {"a.weight": torch.randn(16, 8), "b.weight": torch.randn(8, 3), "c": torch.randn(3)}


def write_zip(path: Path) -> None:
    torch.save(STATE, path)


def write_legacy(path: Path) -> None:
    torch.save(STATE, path, _use_new_zipfile_serialization=False)


def write_safetensors(path: Path) -> None:
    save_file(STATE, path)


def write_folder(path: Path) -> None:
    from torch.distributed.checkpoint.state_dict_saver import save

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save({"model": STATE}, checkpoint_id=path)


WRITERS: dict[str, Callable[[Path], None]] = {
    "zip.pt": write_zip,
    "legacy.pt": write_legacy,
    "model.safetensors": write_safetensors,
    "folder": write_folder,
}


def damaged(content: bytes, trial: int, rng: random.Random) -> bytes:
    """Cut at a random place, or with a few bytes of the head or of anywhere changed."""
    if trial % 2:
        return content[: rng.randrange(len(content))]
    changed = bytearray(content)
    reach = min(len(content), 2000) if trial % 4 else len(content)
    for _ in range(rng.choice([1, 2, 8])):
        changed[rng.randrange(reach)] = rng.randrange(256)
    return bytes(changed)


@pytest.mark.filterwarnings("ignore:Detected pickle protocol")
@pytest.mark.parametrize("kind", WRITERS)
def test_any_damage_is_read_or_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    whole, broken, rng = tmp_path / kind, tmp_path / f"broken_{kind}", random.Random(0)
    messages: list[str] = []
    WRITERS[kind](whole)
    target = broken / ".metadata" if whole.is_dir() else broken
    content = (whole / ".metadata" if whole.is_dir() else whole).read_bytes()
    if whole.is_dir():
        shutil.copytree(whole, broken)
    for trial in range(100):
        target.write_bytes(damaged(content, trial, rng))
        try:
            for matrix in checkpoint_matrices(broken):
                matrix.read()
        except InputError as error:
            messages.append(str(error))
    assert len(messages) > 30
    assert all(len(message.splitlines()) == 1 for message in messages)


def pickled_call(module: str, name: str, argument: str) -> bytes:
    """A pickle of protocol 4 that looks a function up by a dotted name and calls it."""
    parts = [b"\x8c" + bytes([len(text)]) + text.encode() for text in (module, name, argument)]
    return b"\x80\x04" + parts[0] + parts[1] + b"\x93" + parts[2] + b"\x85R."


@pytest.mark.parametrize(
    ("module", "name"),
    [
        ("builtins", "eval"),
        ("torch.distributed.checkpoint.filesystem", "os.mkdir"),  # reached through the module's own imports
        ("torch.distributed.checkpoint.metadata", "os.mkdir"),
        ("torch.serialization", "os.mkdir"),
        ("torch", "serialization.os.mkdir"),
        ("pathlib", "os.mkdir"),
    ],
)
def test_shard_metadata_cannot_reach_a_function(module: str, name: str, tmp_path: Path) -> None:
    made = tmp_path / "made"
    (tmp_path / ".metadata").write_bytes(pickled_call(module, name, str(made)[-200:]))
    with pytest.raises(InputError, match="needs code to be run"):
        checkpoint_matrices(tmp_path)
    assert not made.exists()


def test_a_missing_and_a_foreign_shard_file_are_named(tmp_path: Path) -> None:
    write_folder(tmp_path / "dcp")
    for shard in (tmp_path / "dcp").glob("*.distcp"):
        shard.unlink()
    with pytest.raises(InputError, match=r"the shard __0_0.distcp is missing"):
        checkpoint_matrices(tmp_path / "dcp")["a.weight"].read()


def test_a_whole_model_is_refused_with_the_class_that_it_needs(tmp_path: Path) -> None:
    torch.save(nn.Linear(3, 2), tmp_path / "x.pt")
    with pytest.raises(InputError, match=r"refused \(torch.nn.modules.linear.Linear\); save model.state_dict"):
        checkpoint_matrices(tmp_path)


def test_values_that_scripts_save_beside_the_weights_do_no_harm(tmp_path: Path) -> None:
    extras = {"args": argparse.Namespace(out=tmp_path), "best": np.float64(0.3), "epoch": np.int64(3)}
    torch.save({"model": STATE, **extras}, tmp_path / "x.pt")
    assert checkpoint_matrices(tmp_path).names == ("a.weight", "b.weight")


def test_what_lies_beside_the_state_dict_has_a_reason_and_optimizers_none(tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    file = {"model": model.state_dict(), "ema": STATE, "optimizer": optimizer.state_dict(), "d_optim": {"m": STATE}}
    torch.save(file, tmp_path / "x.pt")
    inventory = checkpoint_matrices(tmp_path)
    assert inventory.names == ("weight",)
    assert {s.name: s.reason for s in inventory.skipped if len(s.shape) > 1} == {
        f"ema.{name}": "beside 'model', the state dict that is read" for name in ("a.weight", "b.weight")
    }
    torch.save(optimizer.state_dict(), tmp_path / "x.pt")
    with pytest.raises(InputError, match="it holds the state of an optimizer"):
        checkpoint_matrices(tmp_path)


@pytest.mark.parametrize("key", ["opt", "o", "g_solver", "0"])
@pytest.mark.parametrize("kind", [torch.optim.Adam, torch.optim.RMSprop, torch.optim.Adadelta, torch.optim.Adamax])
def test_moments_are_no_weights_whatever_holds_them(kind: type, key: str, tmp_path: Path) -> None:
    model = nn.Linear(3, 2)
    optimizer = kind(model.parameters())
    model(torch.ones(1, 3)).sum().backward()
    optimizer.step()
    moments = {"state": optimizer.state_dict()["state"]}
    torch.save({"fc": model.state_dict(), key: moments}, tmp_path / "x.pt")
    assert checkpoint_matrices(tmp_path).names == ("fc.weight",)
    flat = {f"{key}.state.weight.{name}": value.clone() for name, value in moments["state"][0].items()}
    save_file({"fc.weight": torch.randn(3, 2), **flat}, tmp_path / "x.safetensors")
    assert checkpoint_matrices(tmp_path / "x.safetensors").names == ("fc.weight",)


def test_a_lightning_checkpoint_with_hyper_parameters_is_read(tmp_path: Path) -> None:
    lightning = pytest.importorskip("lightning")

    class Module(lightning.LightningModule):  # type: ignore[name-defined, misc]
        def __init__(self, width: int, betas: tuple[float, float]) -> None:
            super().__init__()
            self.save_hyperparameters()
            self.fc = nn.Linear(width, 2)

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters())

    trainer = lightning.Trainer(logger=False, enable_checkpointing=False, barebones=True, max_epochs=0)
    trainer.strategy.connect(Module(3, (0.9, 0.99)))
    trainer.save_checkpoint(tmp_path / "last.ckpt")
    assert "hyper_parameters" in torch.load(tmp_path / "last.ckpt", weights_only=True)
    assert checkpoint_matrices(tmp_path / "last.ckpt").names == ("fc.weight",)


@pytest.mark.parametrize(
    ("index", "message"),
    [
        ("[1]", "not an index of shards"),
        ('{"weight_map": {"a.weight": 3}}', "not an index of shards"),
        ('{"weight_map": {"a.weight": "m.safetensors", "z": "m.safetensors"}}', r"1 of 2 tensors .* \(z\)"),
        ('{"weight_map": {"a.weight": "gone.safetensors"}}', "shards are missing: gone.safetensors"),
    ],
)
def test_an_index_that_does_not_fit_its_shards_is_refused(index: str, message: str, tmp_path: Path) -> None:
    save_file(STATE, tmp_path / "m.safetensors")
    (tmp_path / "model.safetensors.index.json").write_text(index)
    with pytest.raises(InputError, match=message):
        checkpoint_matrices(tmp_path)


def test_an_index_chooses_among_shards_that_hold_a_name_twice(tmp_path: Path) -> None:
    save_file({"a": torch.ones(3, 2), "b": torch.ones(2, 2)}, tmp_path / "1.safetensors")
    save_file({"a": torch.zeros(3, 2)}, tmp_path / "2.safetensors")
    with pytest.raises(InputError, match=r"1.safetensors and 2.safetensors both hold a, so they are not one model"):
        checkpoint_matrices(tmp_path)
    weight_map = {"b": "1.safetensors", "a": "2.safetensors"}
    (tmp_path / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))
    assert float(checkpoint_matrices(tmp_path)["a"].read().sum()) == 0.0


def test_names_that_differ_only_by_a_wrapper_are_both_kept(tmp_path: Path) -> None:
    torch.save({"module.fc": torch.ones(2, 3), "fc": torch.zeros(2, 3)}, tmp_path / "x.pt")
    assert checkpoint_matrices(tmp_path).names == ("module.fc", "fc")


@pytest.mark.parametrize("config", ['{"num_attention_heads": [2, 4]}', '{"n_head": "two"}', "[]", "{"])
def test_a_config_that_tells_no_heads_is_no_obstacle(config: str, tmp_path: Path) -> None:
    save_file({"q_proj.weight": torch.ones(4, 4)}, tmp_path / "m.safetensors")
    (tmp_path / "config.json").write_text(config)
    assert [m.role for m in checkpoint_matrices(tmp_path, heads=True)] == ["query"]


def reasons(inventory: Inventory) -> dict[str, str]:
    return {skip.name: skip.reason for skip in inventory.skipped}


def test_tied_weights_stored_twice_are_counted_once(tmp_path: Path) -> None:
    weight, fresh = torch.randn(50, 4), torch.zeros(4, 2)
    weight[0] = 0.0  # the row of the padding token, equal in other embeddings too
    other = torch.cat([torch.zeros(1, 4), torch.randn(49, 4)])
    state = {"embed.weight": weight, "head.weight": weight.clone(), "position.weight": other}
    state |= {"0.lora_B.weight": fresh, "1.lora_B.weight": fresh.clone()}
    save_file(state, tmp_path / "m.safetensors")
    inventory = checkpoint_matrices(tmp_path)
    assert reasons(inventory)["head.weight"] == "tied to embed.weight, which is measured once under that name"
    assert set(inventory.names) == {"embed.weight", "position.weight", "0.lora_B.weight", "1.lora_B.weight"}


def test_ties_that_safetensors_dropped_are_known_from_its_metadata(tmp_path: Path) -> None:
    net = nn.ModuleDict({"embed": nn.Embedding(5, 4), "head": nn.Linear(4, 5, bias=False)})
    net["head"].weight = net["embed"].weight
    save_model(net, str(tmp_path / "m.safetensors"))
    inventory = checkpoint_matrices(tmp_path)
    assert inventory.names == ("embed.weight",)
    assert reasons(inventory)["head.weight"].startswith("tied to embed.weight")


def test_scales_and_codes_of_quantised_checkpoints(tmp_path: Path) -> None:
    weight = torch.randn(256, 128).to(torch.float8_e4m3fn)
    state = {
        "fc.weight": weight,
        "fc.weight_scale_inv": torch.tensor([[2.0], [4.0]]),
        "up.qweight": torch.ones(4, 4, dtype=torch.int32),
        "up.scales": torch.ones(2, 4),
    }
    save_file(state, tmp_path / "m.safetensors")
    inventory = checkpoint_matrices(tmp_path)
    assert inventory.names == ("fc.weight",)
    expected = weight.float() * torch.tensor([2.0, 4.0]).repeat_interleave(128)[:, None]
    torch.testing.assert_close(inventory["fc.weight"].read(), expected)
    assert reasons(inventory)["up.scales"] == "scales of the quantised up.qweight"


@pytest.mark.parametrize("suffix", ["x.pt", "x.safetensors"])
def test_computed_weights_are_put_together_from_their_parts(suffix: str, tmp_path: Path) -> None:
    torch.manual_seed(0)
    net = nn.ModuleDict(
        {
            "whole": nn.utils.parametrizations.weight_norm(nn.Linear(5, 4), dim=None),  # type: ignore[arg-type]
            "square": nn.utils.parametrizations.spectral_norm(nn.ConvTranspose2d(4, 4, 3)),
        }
    )
    state = {name: value.clone() for name, value in net.state_dict().items()}
    torch.save(state, tmp_path / suffix) if suffix == "x.pt" else save_file(state, tmp_path / suffix)
    inventory = checkpoint_matrices(tmp_path, like=net)
    torch.testing.assert_close(inventory["whole.weight"].read(), net["whole"].weight.detach())
    expected = net.eval()["square"].weight.detach().transpose(0, 1).flatten(1)
    torch.testing.assert_close(inventory["square.weight"].read(), expected)


def test_the_base_of_an_orthogonal_weight_is_no_weight(tmp_path: Path) -> None:
    torch.save(nn.utils.parametrizations.orthogonal(nn.Linear(6, 4)).state_dict(), tmp_path / "m.pt")
    inventory = checkpoint_matrices(tmp_path)
    assert inventory.names == ()
    assert "its rule is code" in reasons(inventory)["parametrizations.weight.0.base"]


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("m.safetensors", b"\x05" + bytes(7) + b"[1,2]", "its header is no JSON object"),
        ("m.npy", b"\x93NUMPY\x01\x00\x08\x00{'a':f()", "its header does not describe an array"),
        (
            "m.npy",
            b"\x93NUMPY\x01\x00\x3d\x00{'descr':'<f8','fortran_order':False,'shape':(-4,-4)}".ljust(71) + bytes(128),
            "-4",
        ),
    ],
)
def test_a_header_that_describes_nothing_is_told_without_a_library_s_words(
    name: str, content: bytes, words: str, tmp_path: Path
) -> None:
    (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError, match=words) as told:
        checkpoint_matrices(tmp_path / name)
    assert "0x" not in str(told.value)


def test_an_archive_with_two_descriptions_and_a_name_of_bytes_are_told(tmp_path: Path) -> None:
    torch.save(STATE, tmp_path / "m.pt")
    with zipfile.ZipFile(tmp_path / "m.pt", "a") as archive:
        archive.writestr("other/data.pkl", b"\x80\x02}.")
    with pytest.raises(InputError, match="with 2 descriptions of its values"):
        checkpoint_matrices(tmp_path / "m.pt")
    torch.save(STATE, tmp_path / "x.pt")
    odd = os.fsdecode(os.fsencode(tmp_path) + b"/\xff\x80.pt")
    os.rename(tmp_path / "x.pt", odd)
    with pytest.raises(InputError, match="its name is no UTF-8"):
        checkpoint_matrices(Path(odd))
