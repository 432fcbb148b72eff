"""A file of arrays is analysed without torch, to the last bit as the same tensors are with it."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import save_file

from htmu_diag.analysis import Options
from htmu_diag.errors import MeasurementError
from htmu_diag.matrices import checkpoint_matrices
from htmu_diag.offline import analyze
from htmu_diag.report.content import content_of
from htmu_diag.report.writers import write_data
from htmu_diag.solvers import matrix_spectrum

ROOT = Path(__file__).parents[2]
EIGHTH = ("float8_e4m3fn", "float8_e5m2")


def noise(*shape: int, seed: int = 0, dtype: str = "float32") -> torch.Tensor:
    return torch.randn(shape, generator=torch.Generator().manual_seed(seed)).to(getattr(torch, dtype))


def every_kind() -> dict[str, torch.Tensor]:
    """Of every type and every layout that names and shapes tell."""
    state = {f"typed.{name}.weight": noise(20, 33, dtype=name) for name in ("float64", "float16", "bfloat16", *EIGHTH)}
    state |= {f"many.{i}.weight": noise(12, 16, seed=i, dtype="bfloat16") for i in range(4)}
    state |= {f"kernel.{name}.weight": noise(12, 5, 3, 3, dtype=name) for name in ("float32", "bfloat16")}
    state |= {
        "point.weight": noise(12, 9, 1, 1),
        "dense.kernel": noise(3, 3, 7, 11),
        "h.0.attn.c_attn.weight": noise(12, 36),
    }
    state |= {"attn.in_proj_weight": noise(36, 12, dtype="float16"), "attn.query_key_value.weight": noise(36, 12)}
    state |= {"experts.down_proj": noise(3, 10, 8, dtype="bfloat16"), "spectral": noise(6, 7, 2, dtype="complex64")}
    state |= {
        "dead.weight": noise(9, 14).index_fill_(1, torch.tensor([2, 5]), 0.0),
        "low.weight": noise(20, 2) @ noise(2, 50),
    }
    state |= {"bad.weight": noise(6, 8).fill_(float("nan")), "codes.qweight": torch.ones(4, 4, dtype=torch.int32)}
    state |= {"mask": (noise(16, 16) > 0).float(), "bias": noise(7), "fc.lora_A.weight": noise(2, 9)}
    return state | {"fc.lora_B.weight": noise(8, 2), "fc.alpha": torch.tensor(4.0, dtype=torch.bfloat16)}


@pytest.mark.parametrize("cut", [{}, {"conv": "positions", "heads": 3}, {"fused": False}], ids=str)
def test_what_is_read_from_a_file_has_the_spectra_of_its_tensors(cut: dict[str, Any], tmp_path: Path) -> None:
    state = every_kind()
    save_file(state, tmp_path / "model.safetensors")
    stored = checkpoint_matrices(tmp_path / "model.safetensors", **cut)
    given = checkpoint_matrices({name: state[name] for name in sorted(state)}, **cut)
    assert {(m.name, m.shape, m.role) for m in stored} == {(m.name, m.shape, m.role) for m in given}
    assert {(s.name, s.reason) for s in stored.skipped} == {(s.name, s.reason) for s in given.skipped}
    for matrix in stored:
        if matrix.name == "bad.weight":
            for one in (matrix, given[matrix.name]):
                with pytest.raises(MeasurementError, match=r"bad.weight .*: 48 of 48 weights are NaN"):
                    matrix_spectrum(one)
            continue
        found, expected = matrix_spectrum(matrix), matrix_spectrum(given[matrix.name])
        assert found.values.tobytes() == expected.values.tobytes(), matrix.name
        assert (found.estimator, found.scalars) == (expected.estimator, expected.scalars)
        assert torch.equal(matrix.read(), given[matrix.name].read())


@pytest.fixture
def no_torch(tmp_path: Path) -> dict[str, str]:
    """An environment whose processes, and those that they start, fail when they import torch."""
    (tmp_path / "none" / "torch").mkdir(parents=True)
    (tmp_path / "none" / "torch" / "__init__.py").write_text("raise SystemExit('torch was imported')\n")
    return {**os.environ, "PYTHONPATH": f"{tmp_path / 'none'}{os.pathsep}{ROOT}"}


@pytest.mark.parametrize("more", [[], ["--jobs", "2", "--out", "out"]], ids=["alone", "jobs and a folder"])
def test_the_command_needs_no_torch_for_a_file_of_arrays(
    more: list[str], tmp_path: Path, no_torch: dict[str, str]
) -> None:
    wanted = ("many",) if more else ("",)
    kinds = {name: tensor for name, tensor in every_kind().items() if name.startswith(wanted)}
    state = {name: tensor for name, tensor in kinds.items() if "lora" not in name and "spectral" not in name}
    save_file(state, tmp_path / "model.safetensors")
    command = [sys.executable, "-m", "htmu_diag", "analyze", "model.safetensors", "--tail-only", "--json", *more]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=no_torch)
    assert done.returncode == 0, done.stderr[-2000:]
    here = io.StringIO()
    found = analyze(tmp_path / "model.safetensors", options=Options(tail_only=True))
    write_data(content_of(found, "htmu"), "json", here)
    assert json.loads(done.stdout)["layers"] == json.loads(here.getvalue())["layers"]


def test_a_file_of_torch_still_asks_for_it(tmp_path: Path, no_torch: dict[str, str]) -> None:
    """That the environment above catches an import."""
    torch.save({"w": noise(5, 6)}, tmp_path / "model.pt")
    command = [sys.executable, "-m", "htmu_diag", "analyze", "model.pt"]
    done = subprocess.run(command, capture_output=True, text=True, cwd=tmp_path, env=no_torch)
    assert "torch was imported" in done.stderr
