"""`htmu train` on the device: cut, it goes on to the same weights; without the device it goes on too."""

from pathlib import Path

import pytest
import torch

import htmu_diag
from htmu_diag.config import TrainConfig, load_config
from htmu_diag.training import Progress, train
from tests.gpu.marks import GPU

pytestmark = [*GPU, pytest.mark.filterwarnings("ignore")]
CONFIGS = Path(__file__).parents[2] / "configs"
SMALL = {
    "digits_mlp": ["--data.samples=256", "--model.widths=[48,32]", "--monitor.include=[]"],
    "stdlib_char_gpt": ["--data.samples=20000", "--model.embedding=32", "--model.layers=1"],
}


def config(name: str, device: str = "cuda") -> TrainConfig:
    options = [*SMALL[name], "--steps=12", f"--device={device}", "--monitor.every=4", "--evaluate_every=4"]
    return load_config(CONFIGS / f"{name}.yaml", [*options, "--checkpoint.every=4"])


def cut(progress: Progress) -> None:
    if progress.step == 7:
        raise KeyboardInterrupt


def weights(path: Path | None) -> dict[str, torch.Tensor]:
    assert path is not None
    found: dict[str, torch.Tensor] = torch.load(path, weights_only=True, map_location="cpu")["model"]
    return found


@pytest.mark.parametrize("name", SMALL)
def test_a_training_that_was_cut_goes_on_to_the_same_weights(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8")
    torch.use_deterministic_algorithms(True, warn_only=True)
    try:
        whole = train(config(name), tmp_path / "whole")
        with pytest.raises(KeyboardInterrupt):
            train(config(name), tmp_path / "half", report=cut)
        on = train(config(name), tmp_path / "half", resume=True)
    finally:
        torch.use_deterministic_algorithms(False)
    torch.testing.assert_close(weights(on.checkpoint), weights(whole.checkpoint), rtol=0, atol=0)
    assert htmu_diag.load_run(tmp_path / "half").steps == (0, 4, 8, 12)


def test_a_training_of_the_device_goes_on_on_the_host(tmp_path: Path) -> None:
    with pytest.raises(KeyboardInterrupt):
        train(config("digits_mlp"), tmp_path, report=cut)
    on = train(config("digits_mlp", "cpu"), tmp_path, resume=True)
    assert on.step == 12
    assert all(tensor.isfinite().all() for tensor in weights(on.checkpoint).values())
