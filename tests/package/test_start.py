"""The first analysis of a process imports what a diagnosis needs: the rest is the wait of everybody who asks."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np

ROOT = Path(__file__).parents[2]
CODE = """
import sys
import htmu_diag
layers = htmu_diag.analyze(sys.argv[1]).layers
assert len(layers) == 6 and all(layer.diagnosis is not None for layer in layers), layers
print(*sorted(sys.modules))
"""
UNNEEDED = {
    *("scipy.special", "scipy.stats", "scipy.optimize", "scipy.linalg", "numpy.ma", "numpy.f2py", "torch"),
    *("importlib.metadata", "concurrent.futures", "htmu_diag.storage.store"),
}


def test_weights_are_diagnosed_without_scipys_functions(tmp_path: Path) -> None:
    """Noise, spikes, heavy tails, zeros and a trained-like mixture; what is imported took as long as all their fits."""
    rng = np.random.default_rng(0)
    heavy = [rng.standard_t(df, (60, 90)) for df in (2.0, 3.5)]
    state = {f"{i}.weight": matrix for i, matrix in enumerate([rng.standard_normal((64, 64)), *heavy])}
    state["spikes.weight"] = rng.standard_normal((50, 80)) + 4 * np.outer(np.ones(50), np.ones(80))
    state["low.weight"] = rng.standard_normal((40, 9)) @ rng.standard_normal((9, 70))
    state["spread.weight"] = rng.lognormal(sigma=1.5, size=(70, 1)) * rng.standard_normal((70, 90))
    np.savez(tmp_path / "model.npz", **state)
    command = [sys.executable, "-c", CODE, str(tmp_path / "model.npz")]
    done = subprocess.run(command, capture_output=True, text=True, cwd=ROOT)
    assert done.returncode == 0, done.stderr
    assert UNNEEDED.isdisjoint(done.stdout.split())
