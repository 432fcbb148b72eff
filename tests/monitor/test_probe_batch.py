"""The samples that kernel probes look at: fixed, stored with the run, read back, the same after a resume."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import htmu_diag
from htmu_diag.errors import InputError, StorageError
from htmu_diag.operators import empirical_ntk
from htmu_diag.probes import ConjugateKernelProbe, NTKProbe
from htmu_diag.spectrum import Kind
from htmu_diag.storage import Store, load_run
from tests.monitor.helpers import Task


def watched(task: Task, folder: Path, **choices: Any) -> htmu_diag.Monitor:
    defaults: dict[str, Any] = {"probes": [NTKProbe(samples=12)], "batch": (task.inputs, task.targets), "seed": 3}
    return htmu_diag.watch(task.model, task.optimizer, log_dir=folder, sinks=[], every=2, **(defaults | choices))


def test_the_stored_samples_give_the_stored_spectrum(tmp_path: Path) -> None:
    task = Task()
    with watched(task, tmp_path, probes=[NTKProbe(samples=12), ConjugateKernelProbe(samples=20)]):
        task.train(2)
    run = load_run(tmp_path)
    kept = run.probe_batch
    assert kept["rows"].shape == (20,)
    assert np.array_equal(kept["inputs"], task.inputs[kept["rows"]].numpy())
    assert np.array_equal(kept["targets"], task.targets[kept["rows"]].numpy())
    rows = torch.randperm(64, generator=torch.Generator().manual_seed(3))[:12]
    assert set(rows.tolist()) <= set(kept["rows"].tolist())
    kernel = empirical_ntk(task.model, task.inputs[rows.sort().values]).matrix.double() / 12
    (found,) = run.series("model", Kind.NTK)[-1:]
    assert np.allclose(found.values, torch.linalg.eigvalsh(kernel).numpy(), rtol=1e-5)


def test_a_buffer_that_the_training_refills_does_not_change_the_probe_batch(tmp_path: Path) -> None:
    task = Task()
    with watched(task, tmp_path) as monitor:
        before = monitor.snapshot()
        task.inputs.normal_(generator=torch.Generator().manual_seed(9))
        monitor.step(1)
        after = monitor.snapshot()
    assert before is not None
    assert after is not None
    first, second = (record.diagnoses[0].spectrum.values for record in (before, after))
    assert np.array_equal(first, second)


def test_a_resumed_run_keeps_the_samples_and_says_so_when_they_are_others(tmp_path: Path) -> None:
    task = Task()
    with watched(task, tmp_path):
        task.train(2)
    kept = load_run(tmp_path).probe_batch
    with watched(task, tmp_path, start_step=2):
        task.train(2)
    again = load_run(tmp_path).probe_batch
    assert all(np.array_equal(kept[name], again[name]) for name in kept)
    with (
        pytest.warns(RuntimeWarning, match="probe batch is not the one stored before step 4"),
        watched(task, tmp_path, start_step=4, batch=(task.inputs + 1, task.targets)),
    ):
        task.train(2)
    assert not np.array_equal(load_run(tmp_path).probe_batch["inputs"], kept["inputs"])


def test_inputs_of_any_structure_and_type_are_stored_by_name(tmp_path: Path) -> None:
    class Two(torch.nn.Linear):
        def forward(self, a: torch.Tensor, b: torch.Tensor) -> torch.Tensor:
            return super().forward(a + b)

    model = Two(4, 2)
    batch = ({"a": torch.randn(6, 4), "b": torch.ones(6, 4, dtype=torch.bfloat16)}, None)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    htmu_diag.watch(model, optimizer, log_dir=tmp_path, sinks=[], probes=["ntk"], batch=batch).close()
    kept = load_run(tmp_path).probe_batch
    assert kept.keys() == {"rows", "inputs['a']", "inputs['b']"}
    assert (kept["inputs['b']"] == 1).all()


def test_runs_without_kernel_probes_store_no_batch_and_bad_batches_are_refused_at_once(tmp_path: Path) -> None:
    task = Task()
    watched(task, tmp_path / "weights", probes=["weights"]).close()
    assert load_run(tmp_path / "weights").probe_batch == {}
    with pytest.raises(InputError, match="hold NaN"):
        watched(task, tmp_path / "nan", batch=(task.inputs * torch.nan, task.targets))


def test_a_damaged_file_is_named(tmp_path: Path) -> None:
    with Store(tmp_path) as store:
        store.keep("probe_batch", {"rows": np.arange(5)})
    (path,) = tmp_path.rglob("probe_batch.safetensors")
    path.write_bytes(path.read_bytes()[:-3])
    with pytest.raises(StorageError, match="damaged"):
        _ = load_run(tmp_path).probe_batch
