"""A thousand damaged files a format, from one seed: read, or refused in one line; nothing else, whatever the bytes."""

from __future__ import annotations

import contextlib
import json
import random
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save

from htmu_diag.errors import InputError
from htmu_diag.fits import fit_htmp, fit_marchenko_pastur, fit_power_law
from htmu_diag.matrices import checkpoint_matrices

STATE = {"a.weight": torch.arange(48.0).reshape(8, 6), "b.weight": torch.ones(5, 3)}
TRIALS = 1000


def safetensors(path: Path) -> None:
    path.write_bytes(save(STATE))


def numpy_archive(path: Path) -> None:
    with path.open("wb") as file:
        np.savez(file, **{name: value.numpy() for name, value in STATE.items()})


def zipped(path: Path) -> None:
    torch.save(STATE, path)


def legacy(path: Path) -> None:
    torch.save(STATE, path, _use_new_zipfile_serialization=False)


def index(path: Path) -> None:
    path.with_name("m.safetensors").write_bytes(save(STATE))
    path.write_text(json.dumps({"metadata": {}, "weight_map": dict.fromkeys(STATE, "m.safetensors")}))


WRITERS: dict[str, Callable[[Path], None]] = {
    "x.safetensors": safetensors,
    "x.npz": numpy_archive,
    "x.pt": zipped,
    "x.bin": legacy,
    "x.safetensors.index.json": index,
}


def tampered(content: bytes, rng: random.Random) -> bytes:
    """Bits flipped in the head or anywhere, a cut, a digit made another, a part repeated or left out."""
    data, kind = bytearray(content), rng.randrange(5)
    place = rng.randrange(min(len(data), 600) if rng.random() < 0.7 else len(data))
    if kind == 0:
        return bytes(data[:place])
    if kind == 1:
        digits = [i for i, byte in enumerate(data[:2000]) if 48 <= byte <= 57]
        for i in rng.sample(digits, min(len(digits), 2)):
            data[i] = rng.randrange(48, 58)
    elif kind == 2:
        data[place:place] = data[place : place + rng.randrange(1, 40)]
    elif kind == 3:
        del data[place : place + rng.randrange(1, 40)]
    else:
        for _ in range(rng.choice([1, 2, 8])):
            data[min(place + rng.randrange(64), len(data) - 1)] ^= 1 << rng.randrange(8)
    return bytes(data)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:Detected pickle protocol", "ignore:.*non-writable")
@pytest.mark.parametrize("name", WRITERS)
def test_a_thousand_damaged_files_are_read_or_refused_in_one_line(name: str, tmp_path: Path) -> None:
    path, rng, refused = tmp_path / name, random.Random(0), []
    WRITERS[name](path)
    content = path.read_bytes()
    for _ in range(TRIALS):
        path.write_bytes(tampered(content, rng))
        try:
            for matrix in checkpoint_matrices(path):
                assert matrix.read().shape == matrix.shape
        except InputError as error:
            refused.append(str(error))
    assert not any("\n" in sentence for sentence in refused)
    assert len(refused) > TRIALS / 5


def test_fits_of_any_values_end_in_a_status_or_one_sentence() -> None:
    """Ties, zeros, subnormals, 1e300, NaN, none at all: the number of spikes is that beyond the threshold."""
    rng = np.random.default_rng(0)
    sources = [
        rng.pareto(1.5, 60),
        rng.standard_normal(60) ** 2,
        np.ones(40),
        np.zeros(30),
        np.arange(50.0),
        np.empty(0),
    ]
    for trial in range(300):
        values = np.array(sources[trial % len(sources)]) * 10.0 ** rng.integers(-300, 300)
        if values.size and trial % 5 == 0:
            values[rng.integers(values.size)] = rng.choice([np.nan, np.inf, 0.0, 5e-324, -1.0])
        for fit in (fit_power_law, lambda x: fit_marchenko_pastur(x, 0.5), lambda x: fit_htmp(x, 0.5)):
            with contextlib.suppress(InputError), np.errstate(all="ignore"):
                assert fit(values).status.code
        bulk = fit_marchenko_pastur(values, 0.5)
        if bulk.status.ok:
            assert bulk.n_spikes == (values > bulk.threshold).sum()


def test_tensors_and_masks_are_taken_or_refused_in_a_sentence() -> None:
    values = np.random.default_rng(0).pareto(2.0, 200) + 1
    alpha = fit_power_law(values).alpha
    assert fit_power_law(torch.tensor(values, requires_grad=True)).alpha == alpha
    assert fit_power_law(torch.tensor(values).bfloat16()).alpha == pytest.approx(alpha, rel=0.1)
    assert fit_power_law(np.ma.masked_greater(values, 1e9)).alpha == alpha
    with pytest.raises(InputError, match="values are masked; pass values.compressed"):
        fit_power_law(np.ma.masked_greater(values, 3.0))
    with pytest.raises(InputError):
        fit_marchenko_pastur(values, "x")  # type: ignore[arg-type]
