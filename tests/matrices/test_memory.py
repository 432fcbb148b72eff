"""One tensor in memory at a time: the peak stays near the largest matrix, far below the whole file."""

from __future__ import annotations

import json
import subprocess
import sys
import warnings
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch.distributed.checkpoint.state_dict_saver import save

FORMS = ("safetensors", "pt", "distributed")
MB = 1024 * 1024
LARGEST, OTHERS = 64, 4  # MB; four more of half the size
READ = """
import json, sys
from pathlib import Path
from htmu_diag.matrices import checkpoint_matrices
from htmu_diag.solvers import matrix_spectrum

def resident(what):
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(what))
    return int(line.split()[1]) / 1024

def used(folder, keep=False):
    before, kept = resident("VmRSS"), []
    Path("/proc/self/clear_refs").write_text("5")  # the peak starts anew
    for matrix in checkpoint_matrices(folder):
        matrix_spectrum(matrix)
        kept += [matrix.stored().clone()] if keep else []
    return resident("VmHWM") - before

folder, forms = Path(sys.argv[1]), sys.argv[2:]
for form in forms:
    used(folder / "small" / form)  # imports on first use are not counted
found = {form: used(folder / "large" / form) for form in forms}
print(json.dumps({**found, "kept": used(folder / "large" / forms[0], keep=True)}))
"""


def write(state: dict[str, torch.Tensor], folder: Path) -> None:
    for form in FORMS:
        (folder / form).mkdir(parents=True)
    save_file(state, folder / "safetensors" / "model.safetensors")
    torch.save(state, folder / "pt" / "model.pt")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        save({"model": state}, checkpoint_id=folder / "distributed")


def noise(megabytes: int, dtype: torch.dtype, seed: int) -> torch.Tensor:
    """A matrix with 64 columns: cheap to decompose, and as large to hold as any."""
    tensor = torch.full((megabytes * MB // (64 * dtype.itemsize), 64), 1.0 + seed, dtype=dtype)
    tensor[:64] = torch.randn(64, 64, generator=torch.Generator().manual_seed(seed))
    return tensor


@pytest.mark.skipif(not Path("/proc/self/clear_refs").exists(), reason="peak memory is read from Linux's /proc")
def test_peak_memory_is_that_of_the_largest_matrix(tmp_path: Path) -> None:
    write({"0.weight": noise(1, torch.float32, 0)}, tmp_path / "small")
    state = {"0.weight": noise(LARGEST, torch.float32, 0), "1.weight": noise(LARGEST, torch.bfloat16, 1)}
    write(
        state | {f"{i}.weight": noise(LARGEST // 2, torch.float32, i) for i in range(2, OTHERS + 2)}, tmp_path / "large"
    )
    command = [sys.executable, "-W", "ignore", "-c", READ, str(tmp_path), *FORMS]
    found = json.loads(subprocess.run(command, capture_output=True, text=True, check=True).stdout)
    for form in FORMS:  # beside the matrix: one block of it, 64 MB when widened
        assert LARGEST / 2 < found[form] < 1.5 * LARGEST + 80, (form, found)
    assert found["kept"] > LARGEST * (2 + OTHERS / 2)  # the measure itself: a reader that keeps what it read is caught
