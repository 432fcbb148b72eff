"""Peak memory of analysing a 4 GB checkpoint: one matrix at a time, below 1.5 times the largest one plus 600 MB.

    OMP_NUM_THREADS=1 python -m benchmarks.checkpoint_memory [FOLDER FOR 4 GB] [INTERPRETER WITH ANOTHER torch]

The other interpreter reads the first two formats.

The checkpoint is noise in the shapes of a language model: an embedding of 1 GB and blocks of 16 MB. Each format is
written by one process and read by another, whose peak resident memory (VmHWM, mapped pages of files included) is
compared with that of the same process after its imports: importing torch alone takes 0.6 GB in a build with CUDA, 0.2
to 0.3 GB in one without.
"""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
import time
import warnings
from collections.abc import Iterator
from pathlib import Path

import torch
from safetensors.torch import save_file

from benchmarks.common import record
from htmu_diag.analysis import Options, diagnose
from htmu_diag.matrices import checkpoint_matrices
from htmu_diag.solvers import matrix_spectrum

WIDTH, BLOCK_ROWS, SHARDS = 512, 8192, 4
FORMATS = ("safetensors, 4 shards", ".pt", "distributed folder", "safetensors, 4 shards, bfloat16")
COLUMNS = (
    "format",
    "torch",
    "size, MB",
    "matrices",
    "largest matrix, MB",
    "peak, MB",
    "after imports, MB",
    "peak above imports, MB",
    "limit, MB",
    "CPU s",
)
MB = 1024 * 1024


def peak_mb() -> float:
    """VmHWM of this process, in MB."""
    line = next(line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith("VmHWM"))
    return float(line.split()[1]) / 1024


def tensors(total_mb: int, dtype: torch.dtype) -> Iterator[tuple[str, torch.Tensor]]:
    """An embedding of a quarter of the size, then blocks of 8192 x 512."""
    generator = torch.Generator().manual_seed(0)
    row = WIDTH * dtype.itemsize
    rows = [total_mb * MB // 4 // row, *[BLOCK_ROWS] * (total_mb * MB * 3 // 4 // (BLOCK_ROWS * row))]
    for index, count in enumerate(rows):
        name = f"layers.{index:03d}.up_proj.weight" if index else "embed_tokens.weight"
        yield name, torch.randn(count, WIDTH, generator=generator, dtype=torch.float32).to(dtype)


def write(form: str, folder: Path, total_mb: int) -> None:
    """Write the checkpoint in one of `FORMATS`; shards one by one, the others from memory."""
    dtype = torch.bfloat16 if form.endswith("bfloat16") else torch.float32
    if form.startswith("safetensors"):
        _write_shards(folder, total_mb, dtype)
    elif form == ".pt":
        torch.save(dict(tensors(total_mb, dtype)), folder / "model.pt")
    else:
        from torch.distributed.checkpoint.state_dict_saver import save

        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            save({"model": dict(tensors(total_mb, dtype))}, checkpoint_id=folder)


def _write_shards(folder: Path, total_mb: int, dtype: torch.dtype) -> None:
    weight_map: dict[str, str] = {}
    shard: dict[str, torch.Tensor] = {}
    for name, tensor in tensors(total_mb, dtype):
        shard[name] = tensor
        if sum(t.nbytes for t in shard.values()) >= total_mb * MB // SHARDS - MB:
            _save_shard(folder, shard, weight_map)
    if shard:
        _save_shard(folder, shard, weight_map)
    (folder / "model.safetensors.index.json").write_text(json.dumps({"weight_map": weight_map}))


def _save_shard(folder: Path, shard: dict[str, torch.Tensor], weight_map: dict[str, str]) -> None:
    file = f"model-{len(set(weight_map.values())):02d}.safetensors"
    save_file(shard, folder / file)
    weight_map.update(dict.fromkeys(shard, file))
    shard.clear()


def analyse(folder: Path) -> dict[str, object]:
    """Spectrum and fits of every matrix of the checkpoint; what it took."""
    imported, start, largest = peak_mb(), time.process_time(), 0
    inventory = checkpoint_matrices(folder)
    for matrix in inventory:
        largest = max(largest, matrix.stored().nbytes)
        diagnose(matrix_spectrum(matrix), Options(bootstrap=0))
    return {
        "torch": torch.__version__,
        "matrices": len(inventory),
        "largest": largest / MB,
        "imported": imported,
        "peak": peak_mb(),
        "seconds": time.process_time() - start,
    }


def measured(form: str, parent: Path, total_mb: int, readers: list[str]) -> Iterator[tuple[object, ...]]:
    """Rows for one format: written once, read by each interpreter in a fresh process."""
    with tempfile.TemporaryDirectory(dir=parent) as folder:
        _child(sys.executable, "write", form, folder, str(total_mb))
        for interpreter in readers:
            found = json.loads(_child(interpreter, "analyse", folder).splitlines()[-1])
            limit = 1.5 * found["largest"] + 600
            above = found["peak"] - found["imported"]
            sizes = (total_mb, found["matrices"], found["largest"], found["peak"], found["imported"], above, limit)
            print(form, found, flush=True)
            yield (form, found["torch"], *sizes, found["seconds"])


def _child(interpreter: str, *arguments: str) -> str:
    command = [interpreter, "-m", "benchmarks.checkpoint_memory", *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def main() -> None:
    if sys.argv[1:2] == ["write"]:
        write(sys.argv[2], Path(sys.argv[3]), int(sys.argv[4]))
    elif sys.argv[1:2] == ["analyse"]:
        print(json.dumps(analyse(Path(sys.argv[2]))))
    else:
        parent = Path(sys.argv[1] if len(sys.argv) > 1 else tempfile.gettempdir())
        readers = [sys.executable, *sys.argv[2:]]
        rows = [row for form in FORMATS[:2] for row in measured(form, parent, 4096, readers)]
        rows += [row for form in FORMATS[2:] for row in measured(form, parent, 4096, readers[:1])]
        note = "Spectrum and fits of every matrix; limit: 1.5 times the largest matrix plus 600 MB."
        record("Peak memory of a 4 GB checkpoint", COLUMNS, rows, note)


if __name__ == "__main__":
    main()
