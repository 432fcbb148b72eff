"""Configurations of others: what no machine, no type and no data can give is one sentence, before anything is made."""

from pathlib import Path

import pytest

from htmu_diag.cli import main

HOPELESS = {
    "model.widths=[1000000000000]": "cannot be made in these sizes",
    "model.widths=[1000000000,1000000000]": "cannot be made in these sizes",
    "data.name=modular --data.modulus=1000000000": "data.modulus is 1000000000; it must be at most 1,000",
    "data.name=power_law --data.dimension=1000000000000": "cannot be made in these sizes",
    "seed=99999999999999999999": "seed is 99999999999999999999; it must be below 2^62",
    "data.batch_size=" + "9" * 60: "it must be below 2^62",
    "steps=" + "9" * 400: "it must be below 2^62",
    "optimizer.lr=1e308": "positive and finite, below 1e30",
    "data.test_fraction=1e-300": "leaves no sample to test on",
    "data.test_fraction=0.9999999": "leaves no sample to train on",
    "threads=1000000": "threads is 1000000; it must be at most 1,024",
    "device=meta": "device: meta cannot be used here",
}


@pytest.mark.parametrize("given", HOPELESS)
def test_what_cannot_be_made_is_one_sentence_before_a_folder_is_made(
    given: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    options = [f"--{option}" for option in given.split(" --")]
    assert main(["train", "digits_mlp", *options, "--out", str(tmp_path / "out")]) == 2
    (line,) = capsys.readouterr().err.splitlines()
    assert HOPELESS[given] in line
    assert not (tmp_path / "out").exists()
