"""What a reader takes of a file: the rows asked for, the parts that belong together, and no optimizer."""

from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file

from htmu_diag.matrices import checkpoint_matrices
from htmu_diag.matrices.files import stored_tensors
from tests.matrices.test_hostile import changed_metadata, entry, folder_with, split_in_two


def test_rows_of_a_tensor_in_pieces_are_those_asked_for(tmp_path: Path) -> None:
    rows, other = torch.randn(2, 8, 8)
    folder = folder_with({"a.weight": rows, "other": other}, tmp_path / "dcp")
    changed_metadata(
        folder, lambda found: (split_in_two(found, 8, 8), setattr(entry(found), "size", torch.Size([16, 8])))
    )
    (tensor,) = [each for each in stored_tensors(folder) if each.shape == (16, 8)]
    for part in (slice(6, 10), slice(12, 16), slice(0, 2)):
        torch.testing.assert_close(tensor.load(part), torch.cat([rows, other])[part], rtol=0, atol=0)


@pytest.mark.parametrize("layer", ["attn.to_q_lora", "attn.lora"])
def test_factors_called_down_and_up_belong_to_a_part_that_ends_with_lora(layer: str, tmp_path: Path) -> None:
    down, up = torch.randn(3, 8), torch.randn(6, 3)
    state = {f"{layer}.down.weight": down, f"{layer}.up.weight": up, "mlp.up.weight": torch.randn(5, 4)}
    save_file(state, tmp_path / "m.safetensors")
    found = checkpoint_matrices(tmp_path)
    (product,) = [matrix for matrix in found if "lora_delta" in matrix.name]
    assert product.shape == (6, 8)
    torch.testing.assert_close(
        product.read() / product.read()[0, 0], up @ down / (up @ down)[0, 0], rtol=1e-4, atol=1e-5
    )


def test_an_optimizer_under_any_key_gives_no_matrices(tmp_path: Path) -> None:
    state = {0: {"exp_avg": torch.randn(4, 3)}}
    torch.save({"w": torch.randn(4, 3), "sgd": {"state": state, "param_groups": []}}, tmp_path / "m.pt")
    assert checkpoint_matrices(tmp_path / "m.pt").names == ("w",)
