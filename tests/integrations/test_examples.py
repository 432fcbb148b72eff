"""Every framework's example in the tutorials runs as it is written."""

import re
from pathlib import Path
from typing import Any

import pytest
import torch
from torch.utils.data import DataLoader, TensorDataset

from htmu_diag import load_run
from tests.later import Later

pytestmark = pytest.mark.xdist_group("lightning")
lit = Later("tests.integrations.lit", "lightning")
TUTORIALS = Path(__file__).parents[2] / "docs" / "tutorials"
RUNS = {  # the examples of each page, in order, with the run that each leaves
    "your-loop": ("plain", "accelerate"),
    "lightning": ("lightning",),
    "hugging-face": ("trainer/htmu",),
    "many-ranks": ("ddp", "fsdp"),
    "compile": ("compiled",),
}
BLOCK = re.compile(r"```python\n(.*?)```", flags=re.DOTALL)
EXAMPLES = {
    run: example
    for page, runs in RUNS.items()
    for run, example in zip(runs, BLOCK.findall((TUTORIALS / f"{page}.md").read_text(encoding="utf-8")), strict=True)
}


class Classifier(torch.nn.Module):
    def __init__(self, net: torch.nn.Module) -> None:
        super().__init__()
        self.net = net

    def forward(self, inputs: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
        return {"loss": torch.nn.functional.cross_entropy(self.net(inputs), labels)}


@pytest.fixture
def names() -> dict[str, Any]:
    """What the examples take as given."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(8, 12), torch.nn.ReLU(), torch.nn.Linear(12, 3))
    data = TensorDataset(torch.randn(160, 8), torch.randint(3, (160,)))
    rows = [{"inputs": inputs, "labels": target} for inputs, target in data]
    loader = DataLoader(data, batch_size=8)
    given = {
        "loss_fn": torch.nn.functional.cross_entropy,
        "lit_model": lit.Classifying(net),
        "hf_model": Classifier(net),
    }
    return {"model": net, "loader": loader, "dataset": rows, **given}


@pytest.mark.filterwarnings("ignore")  # of the frameworks: few workers, no accelerator
@pytest.mark.parametrize("run", EXAMPLES)
def test_an_example_runs_and_measures(
    run: str, names: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    single = {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "127.0.0.1", "MASTER_PORT": "0"}
    for name, value in single.items() if "dist." in EXAMPLES[run] else ():
        monkeypatch.setenv(name, value)
    exec(EXAMPLES[run], names)
    steps = load_run(tmp_path / "runs" / run).steps
    assert steps[0] == 0
    assert steps[-1] in (10, 18, 20)
