"""What a tensor is: by its content, its neighbours and its configuration, where endings and names would mislead."""

from __future__ import annotations

import json
import pickle
import warnings
import zipfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from safetensors.torch import save_file
from torch import nn

from htmu_diag.errors import InputError
from htmu_diag.matrices import Inventory, checkpoint_matrices, matrices
from htmu_diag.offline import analyze
from htmu_diag.offline.folders import find_series

STATE = {"a.weight": torch.randn(16, 8), "b.weight": torch.randn(8, 3)}


def reasons(found: Inventory) -> dict[str, str]:
    return {skip.name: skip.reason for skip in found.skipped}


@pytest.mark.parametrize("ending", [".pth.tar", ".th", ".pyth", ".model", "", ".PT", ".weights", ".safetensors.bak"])
@pytest.mark.parametrize("way", ["zip", "legacy", "safetensors"])
def test_content_decides_and_not_the_ending(ending: str, way: str, tmp_path: Path) -> None:
    path = tmp_path / f"step_3{ending}"
    if way == "safetensors":
        save_file(STATE, path)
    else:
        torch.save({"state_dict": STATE}, path, _use_new_zipfile_serialization=way == "zip")
    for place in (path, tmp_path):
        assert checkpoint_matrices(place).names == ("a.weight", "b.weight")
    series = find_series(tmp_path)
    assert series is not None
    assert [step for step, _ in series.steps] == [3]


def test_files_that_are_no_weights_do_not_end_a_folder(tmp_path: Path) -> None:
    torch.save({"module": STATE}, tmp_path / "mp_rank_00_model_states.pt")
    moments = {"optimizer_state_dict": {"exp_avg": [1.0]}, "ds_version": "0.1"}
    torch.save(moments, tmp_path / "bf16_zero_pp_rank_0_mp_rank_00_optim_states.pt")
    torch.save({"state": {}, "param_groups": []}, tmp_path / "adam.pt")
    torch.save({"epoch": 3}, tmp_path / "extra.pt")
    found = checkpoint_matrices(tmp_path)
    assert found.names == ("a.weight", "b.weight")
    assert reasons(found)["adam.pt"] == "no tensors by name in this file (it holds the state of an optimizer)"
    assert "no tensors by name" in reasons(found)["extra.pt"]
    (tmp_path / "mp_rank_00_model_states.pt").unlink()
    with pytest.raises(InputError, match="no tensors by name"):
        checkpoint_matrices(tmp_path)


def keras(path: Path) -> None:
    path.write_bytes(b"\x89HDF\r\n\x1a\n" + bytes(100))


def script(path: Path) -> None:
    torch.jit.save(torch.jit.script(nn.Linear(3, 2)), path)


def zip_with(*names: str) -> Any:
    def write(path: Path) -> None:
        with zipfile.ZipFile(path, "w") as archive:
            for name in names:
                archive.writestr(name, b"x")

    return write


FOREIGN = {
    "model.h5": (keras, "analyze({w.path: w.numpy() for w in keras.models.load_model(FILE).weights})"),
    "model.pt": (keras, "an HDF5 file"),
    "model.keras": (zip_with("config.json", "model.weights.h5"), "a Keras model"),
    "script.pt": (script, "torch.save(torch.jit.load(FILE).state_dict(), 'weights.pt')"),
    "model.onnx": (lambda p: p.write_bytes(b"\x08\x07"), "onnx.numpy_helper.to_array(i)"),
    "saved_model.pb": (lambda p: p.write_bytes(b"\x08\x01"), "tf.saved_model.load(FOLDER)"),
    "m.gguf": (lambda p: p.write_bytes(b"GGUF" + bytes(20)), "gguf.dequantize"),
    "m.msgpack": (lambda p: p.write_bytes(b"\x81\xa1a"), "flax.serialization.msgpack_restore"),
    "m.pt.gz": (lambda p: p.write_bytes(b"\x1f\x8b" + bytes(20)), "unpack it"),
    "m.safetensors": (lambda p: p.write_text("version https://git-lfs.github.com/spec/v1\noid"), "git lfs pull"),
    "m.bin": (lambda p: p.write_text("<!DOCTYPE html><title>Sign in</title>"), "a web page"),
    "data.zip": (zip_with("readme.txt"), "an archive without weights"),
}


@pytest.mark.filterwarnings("ignore::DeprecationWarning")
@pytest.mark.parametrize("name", FOREIGN)
def test_a_format_that_is_not_read_says_how_to_get_at_its_weights(name: str, tmp_path: Path) -> None:
    write, said = FOREIGN[name]
    write(tmp_path / name)
    with pytest.raises(InputError) as caught:
        checkpoint_matrices(tmp_path / name)
    assert said in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_folder_of_tensorflow_says_how(tmp_path: Path) -> None:
    (tmp_path / "saved_model.pb").write_bytes(b"\x08\x01")
    with pytest.raises(InputError, match=r"a TensorFlow SavedModel; .*tf.saved_model.load"):
        checkpoint_matrices(tmp_path)


def test_weights_one_level_down_are_pointed_to(tmp_path: Path) -> None:
    (tmp_path / "mp_rank_00").mkdir()
    torch.save(STATE, tmp_path / "mp_rank_00" / "model_optim_rng.pt")
    with pytest.raises(InputError, match=r"no weights in this folder \(but in mp_rank_00\)"):
        checkpoint_matrices(tmp_path)


@pytest.mark.parametrize(
    "scale", ["weight_scale", "scales", "absmax", "qzeros_float", "codebook", "weight_global", "zz"]
)
@pytest.mark.parametrize("codes", ["weight_packed", "qweight", "codes", "weight"])
@pytest.mark.parametrize("dtype", [torch.int32, torch.uint8, torch.int8])
def test_floats_beside_integer_codes_are_a_part_of_them(
    scale: str, codes: str, dtype: torch.dtype, tmp_path: Path
) -> None:
    state = {
        f"q.{codes}": torch.ones(64, 32, dtype=dtype),
        f"q.{scale}": torch.rand(64, 4),
        "up.weight": torch.rand(9, 7),
    }
    save_file(state, tmp_path / "m.safetensors")
    found = checkpoint_matrices(tmp_path)
    combined = (codes, scale, dtype) == ("weight", "weight_scale", torch.int8)  # the one rule that is known
    assert set(found.names) == ({"q.weight", "up.weight"} if combined else {"up.weight"})
    if not combined:
        assert reasons(found)[f"q.{scale}"].endswith(f"of the quantised q.{codes}")


def test_eight_bit_scales_beside_packed_codes_are_a_part_too(tmp_path: Path) -> None:
    scale = torch.rand(256, 32).to(torch.float8_e4m3fn)
    save_file({"q.weight_packed": torch.ones(256, 256, dtype=torch.uint8), "q.weight_scale": scale}, tmp_path / "m")
    assert checkpoint_matrices(tmp_path / "m").names == ()


@pytest.mark.parametrize("table", [("lut", (256, 16)), ("codebook", (9, 4)), ("values", (256, 8)), ("t", (5, 16))])
@pytest.mark.parametrize("codes", [("w_idx", (64, 32)), ("indices", (4096,)), ("ids", (64, 32)), ("packed", (4096,))])
def test_a_table_that_indices_choose_from_is_no_weight_whatever_its_rows(
    table: tuple[str, tuple[int, ...]], codes: tuple[str, tuple[int, ...]], tmp_path: Path
) -> None:
    state = {f"m.{codes[0]}": torch.ones(codes[1], dtype=torch.uint8), f"m.{table[0]}": torch.randn(table[1])}
    save_file({**state, "m.weight": torch.randn(7, 5)}, tmp_path / "m.safetensors")
    assert checkpoint_matrices(tmp_path).names == ("m.weight",)


def test_indices_and_masks_beside_weights_are_no_codes(tmp_path: Path) -> None:
    state = {
        "attn.in_proj_weight": torch.randn(12, 4),
        "attn.proj": torch.randn(5, 4),
        "attn.relative_position_index": torch.ones(49, 49, dtype=torch.int64),
        "attn.mask": torch.ones(9, 9, dtype=torch.uint8),
        "attn.token_ids": torch.ones(9, 9, dtype=torch.int32),
        "attn.bucket_idx": torch.ones(9, 9, dtype=torch.uint8),
    }
    save_file(state, tmp_path / "m.safetensors")
    assert set(checkpoint_matrices(tmp_path, fused=False).names) == {"attn.in_proj_weight", "attn.proj"}


@pytest.mark.parametrize("key", ["moe_num_experts", "num_local_experts", "num_experts", "n_routed_experts"])
@pytest.mark.parametrize("inside", [False, True])
def test_experts_stacked_in_two_dimensions_are_split_by_their_number(key: str, inside: bool, tmp_path: Path) -> None:
    whole = torch.randn(4 * 96, 64)
    save_file({"blocks.0.ffn.experts.mlp.w1": whole}, tmp_path / "m.safetensors")
    assert checkpoint_matrices(tmp_path)["blocks.0.ffn.experts.mlp.w1"].role == "stacked experts"
    (tmp_path / "config.json").write_text(json.dumps({"ffn_config": {key: 4}} if inside else {key: 4}))
    found = checkpoint_matrices(tmp_path)
    experts = [matrix for matrix in found if matrix.role == "expert"]
    assert [matrix.name for matrix in experts] == [f"blocks.0.ffn.experts.mlp.w1.expert{i}" for i in range(4)]
    for expert, part in zip(experts, whole.split(96), strict=True):
        torch.testing.assert_close(expert.read(), part)


def test_experts_with_numbers_of_their_own_stay_whole(tmp_path: Path) -> None:
    save_file({f"moe.experts.{i}.w1.weight": torch.randn(8, 6) for i in range(4)}, tmp_path / "m.safetensors")
    (tmp_path / "config.json").write_text('{"num_local_experts": 4}')
    assert [matrix.shape for matrix in checkpoint_matrices(tmp_path)] == [(8, 6)] * 4


@pytest.mark.parametrize("name", ["mlp.gate_up_proj.weight", "mlp.gate_up_proj", "feed_forward.w13.weight"])
def test_gate_and_up_are_cut_in_two(name: str, tmp_path: Path) -> None:
    whole = torch.randn(24, 7)
    save_file({name: whole}, tmp_path / "m.safetensors")
    found = checkpoint_matrices(tmp_path)
    assert [(m.name, m.role) for m in found] == [(f"{name}.gate", "mlp gate"), (f"{name}.up", "mlp up")]
    torch.testing.assert_close(found[f"{name}.up"].read(), whole[12:])
    assert checkpoint_matrices(tmp_path, fused=False).names == (name,)


MASKS = {
    "layers.0.blocks.1.attn_mask": torch.where(torch.rand(16, 49, 49) > 0.5, -100.0, 0.0),
    "h.0.attn.bias": torch.ones(1, 1, 64, 64).tril(),
    "tril": torch.ones(32, 32).tril(),
    "decoder.window_of_my_own": torch.ones(40, 40).tril(),
    "visible": torch.where(torch.rand(50, 40) > 0.5, float("-inf"), 0.0),
    "freqs_cis": torch.polar(torch.ones(64, 16), torch.randn(64, 16)),
    "rotary.cos_cached": torch.randn(64, 16),
    "attn.relative_position_bias_table": torch.randn(169, 4),
    "attn.relative_coords_table": torch.randn(13, 2),
    "layers.mlp.bias": torch.randn(12, 64),
    "layers.ln_1.scale": torch.randn(12, 64),
    "layers.pre_attention_norm.scale": torch.randn(12, 64),
}


@pytest.mark.parametrize("name", MASKS)
def test_masks_tables_and_stacked_vectors_are_no_weights(name: str, tmp_path: Path) -> None:
    save_file({name: MASKS[name].contiguous(), "fc.weight": torch.randn(5, 4)}, tmp_path / "m.safetensors")
    found = checkpoint_matrices(tmp_path)
    assert found.names == ("fc.weight",)
    assert any(word in reasons(found)[name] for word in ("mask", "table", "biases", "norms"))


def test_a_matrix_that_diverged_to_infinity_is_no_mask(tmp_path: Path) -> None:
    """Half precision that overflowed: infinities of both signs, and nothing that numpy warns of."""
    weight = torch.randn(12, 16, generator=torch.Generator().manual_seed(0)).sign() * torch.inf
    save_file({"fc": weight}, tmp_path / "m.safetensors")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        assert checkpoint_matrices(tmp_path).names == ("fc",)


def test_rows_beside_stacked_maps_are_their_biases(tmp_path: Path) -> None:
    state = {
        "w1": torch.randn(4, 6, 40),
        "b1": torch.randn(4, 40),
        "w2": torch.randn(4, 40, 6),
        "b_out": torch.randn(4, 6),
    }
    other = {"b2": torch.randn(5, 6), "low.b": torch.randn(4, 6)}  # of another number, and beside no stack
    save_file({f"moe.{name}": value for name, value in (state | other).items()}, tmp_path / "m.safetensors")
    found = checkpoint_matrices(tmp_path)
    assert {matrix.name.rpartition(".")[0] for matrix in found} == {"moe.w1", "moe.w2", "moe", "moe.low"}
    assert {name for name, reason in reasons(found).items() if "biases" in reason} == {"moe.b1", "moe.b_out"}


def test_weights_called_like_something_else_stay_weights(tmp_path: Path) -> None:
    state = {
        "norm.weight": torch.randn(6, 5),
        "unmask.weight": torch.randn(6, 5),
        "bias_net.0.weight": torch.randn(6, 5),
        "signs": 0.3 * (2.0 * (torch.arange(4096) % 3 == 0).float() - 1).reshape(64, 64),
    }
    save_file(state, tmp_path / "m.safetensors")
    assert set(checkpoint_matrices(tmp_path).names) == set(state)


class Spectral(nn.Module):
    def __init__(self, *modes: int) -> None:
        super().__init__()
        self.weights1 = nn.Parameter(torch.randn(6, 5, *modes, dtype=torch.cfloat))


KERNELS = {  # as a framework stores it -> as torch does: (out, in, position...)
    "plain": ("conv1", (6, 4, 3, 5), (0, 1, 2, 3)),
    "Flax's, in two dimensions": ("conv1.kernel", (3, 5, 4, 6), (3, 2, 0, 1)),
    "in three": ("conv1.kernel", (3, 2, 5, 4, 6), (4, 3, 0, 1, 2)),
    "in one": ("conv1.kernel", (5, 4, 6), (2, 1, 0)),
    "Haiku's": ("net/~/conv2_d_1/w", (3, 5, 4, 6), (3, 2, 0, 1)),
    "nested": ("net/~/conv1_d.w", (5, 4, 6), (2, 1, 0)),
    "under Haiku's name, as torch does": ("conv.w", (6, 4, 3, 5), (0, 1, 2, 3)),
}


@pytest.mark.parametrize("kind", KERNELS)
def test_kernels_without_a_module_unfold_as_those_of_torch(kind: str) -> None:
    name, shape, order = KERNELS[kind]
    kernel = torch.randn(shape, generator=torch.Generator().manual_seed(0))
    whole = checkpoint_matrices({name: kernel})
    expected = kernel.permute(*order)
    assert [(m.name, m.role) for m in whole] == [(name, "conv")]
    assert torch.equal(whole.matrices[0].read(), expected.flatten(1))
    places = checkpoint_matrices({name: kernel}, conv="positions")
    assert all(torch.equal(m.read(), expected.flatten(2)[:, :, k]) for k, m in enumerate(places))
    assert len(places) == expected[0, 0].numel()


def test_heads_of_flax_lie_side_by_side_in_one_map() -> None:
    width, count, size = 12, 4, 5
    into, out = torch.randn(width, count, size), torch.randn(count, size, width)
    found = {m.name: m for m in checkpoint_matrices({"a.query.kernel": into, "a.out.kernel": out})}
    assert {name: m.role for name, m in found.items()} == {"a.query.kernel": "query", "a.out.kernel": "linear"}
    for name, whole in (("a.query.kernel", into.flatten(1)), ("a.out.kernel", out.flatten(0, 1))):
        values = torch.linalg.svdvals(found[name].read())
        torch.testing.assert_close(values, torch.linalg.svdvals(whole))


@pytest.mark.parametrize("shape", [(2, 3, 40, 33), (1, 4, 7, 7), (64, 40, 33)])
def test_other_bare_tensors_stay_stacks(shape: tuple[int, ...]) -> None:
    found = checkpoint_matrices({"w": torch.randn(shape)})
    assert all(m.shape == shape[-2:] for m in found)


@pytest.mark.parametrize("modes", [(3,), (3, 2), (40,), (4, 3, 2)])
def test_complex_kernels_give_a_map_for_each_mode(modes: tuple[int, ...], tmp_path: Path) -> None:
    module = Spectral(*modes)
    torch.save(module.state_dict(), tmp_path / "m.pt")
    flat = module.weights1.detach().flatten(2)
    for found in (matrices(module), checkpoint_matrices(tmp_path / "m.pt"), checkpoint_matrices(module.state_dict())):
        assert len(found) == flat.shape[2]
        assert {matrix.shape for matrix in found} == {(5, 6)}
        torch.testing.assert_close(found.matrices[1].read(), flat[:, :, 1].mT)


def test_placeholders_of_sharded_training_are_named(tmp_path: Path) -> None:
    torch.save({"a.weight": torch.empty(0), "b.weight": torch.randn(4, 3)}, tmp_path / "m.pt")
    assert "zero_to_fp32.py" in reasons(checkpoint_matrices(tmp_path))["a.weight"]


ARRAYS: dict[str, Any] = {
    "state dict": STATE,
    "arrays": {name: value.numpy() for name, value in STATE.items()},
    "nested": {"a": {"weight": STATE["a.weight"].numpy()}, "b": {"weight": STATE["b.weight"]}},
    "float16": {name: value.numpy().astype(np.float16) for name, value in STATE.items()},
    "big endian": {name: value.numpy().astype(">f4") for name, value in STATE.items()},
    "read only": {
        name: np.frombuffer(value.numpy().tobytes(), "f4").reshape(value.shape) for name, value in STATE.items()
    },
}


@pytest.mark.parametrize("kind", ARRAYS)
def test_analyze_takes_arrays_as_it_takes_a_file(kind: str, tmp_path: Path) -> None:
    found = analyze(ARRAYS[kind])
    assert [layer.name for layer in found.layers] == ["a.weight", "b.weight"]
    if kind != "float16":
        save_file(STATE, tmp_path / "m.safetensors")
        for one, other in zip(found.rows(), analyze(tmp_path / "m.safetensors").rows(), strict=True):
            assert one["lambda_max"] == pytest.approx(other["lambda_max"], rel=1e-12)


@pytest.mark.parametrize("make", [torch.from_numpy, np.asarray, lambda a: torch.from_numpy(a).requires_grad_(True)])
def test_analyze_takes_one_array(make: Any) -> None:
    weight = np.random.default_rng(0).standard_normal((30, 20))
    (layer,) = analyze(make(weight)).layers
    assert layer.diagnosis is not None
    largest = np.linalg.svd(weight, compute_uv=False)[0] ** 2 / 30
    assert layer.diagnosis.shape.lambda_max == pytest.approx(largest)


@pytest.mark.parametrize("compressed", [False, True])
def test_archives_of_numpy_are_read(compressed: bool, tmp_path: Path) -> None:
    arrays = {"a.weight": STATE["a.weight"].numpy(), "b/weight": np.asfortranarray(STATE["b.weight"].numpy())}
    (np.savez_compressed if compressed else np.savez)(tmp_path / "m.npz", **arrays, text=np.array(["x"]))
    found = checkpoint_matrices(tmp_path / "m.npz")
    assert found.names == ("a.weight", "b.weight")
    torch.testing.assert_close(found["b.weight"].read(), STATE["b.weight"])
    np.save(tmp_path / "one.npy", arrays["a.weight"])
    torch.testing.assert_close(checkpoint_matrices(tmp_path / "one.npy")["matrix"].read(), STATE["a.weight"])


class Acts:
    def __reduce__(self) -> Any:
        return print, ("ran",)


@pytest.mark.parametrize(
    "value", [np.array([Acts()], dtype=object), {"w": "text"}, {"w": object()}, {}, 3, None, [1, 2]]
)
def test_what_is_no_array_is_refused_in_one_line(value: Any, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(InputError) as caught:
        analyze(value)
    assert "\n" not in str(caught.value)
    assert capsys.readouterr().out == ""


def test_objects_in_an_archive_of_numpy_are_not_unpickled(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    np.savez(tmp_path / "m.npz", w=np.array([[Acts()]], dtype=object), v=np.ones((3, 2)))
    assert checkpoint_matrices(tmp_path / "m.npz").names == ("v",)
    (tmp_path / "m.npy").write_bytes(pickle.dumps(Acts()))
    with pytest.raises(InputError):
        checkpoint_matrices(tmp_path / "m.npy")
    assert capsys.readouterr().out == ""


def test_masked_entries_are_refused() -> None:
    masked = np.ma.masked_greater(np.arange(12.0).reshape(4, 3), 10)
    with pytest.raises(InputError, match="1 entries are masked"):
        analyze({"w": masked})


@pytest.mark.parametrize(
    "name", ["a\x1b]0;x\x07.weight", "a\nb.weight", "\ud800.weight", "\u202e.weight", "=1+1", "\x9b2J"]
)
def test_names_go_on_as_text_that_does_nothing(name: str) -> None:
    (matrix,) = checkpoint_matrices({name: torch.randn(12, 9)})
    matrix.name.encode()
    assert matrix.name.isprintable()
    assert analyze({name: torch.randn(12, 9)}).layers[0].diagnosis is not None


def test_layers_that_do_not_fit_together_cost_themselves() -> None:
    state = {
        "fine.weight": torch.randn(20, 10),
        "norm_of.weight_g": torch.ones(7, 1),
        "norm_of.weight_v": torch.randn(20, 10),
        "masked.weight_orig": torch.randn(20, 10),
        "masked.weight_mask": torch.ones(3, 3),
        "wide.weight_orig": torch.randn(1, 10),
        "wide.weight_mask": torch.ones(20, 10),
        "spectral.weight_orig": torch.randn(20, 10),
        "spectral.weight_u": torch.ones(3),
        "spectral.weight_v": torch.ones(4),
        "scaled.weight": torch.ones(20, 10, dtype=torch.int8),
        "scaled.weight_scale": torch.ones(0, 3),
        f"layer.{'9' * 5000}.weight": torch.randn(20, 10),
        "q.lora_A.weight": torch.randn(0, 10),
        "q.lora_B.weight": torch.randn(20, 0),
        "q.alpha": torch.tensor(4.0),
    }
    found = analyze(state)
    assert len([layer for layer in found.layers if layer.diagnosis is not None]) == 2
    for layer in found.unusable:
        assert "\n" not in layer.reason
