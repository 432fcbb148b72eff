"""A second training never hides the first; what is handed to watch is one model and one batch, or one sentence."""

import os
import warnings
from pathlib import Path
from typing import Any

import pytest
import torch

import htmu_diag
from htmu_diag.errors import InputError, StorageError
from htmu_diag.storage.lock import FolderLock, FolderLocked


def net() -> torch.nn.Module:
    return torch.nn.Sequential(torch.nn.Linear(12, 16), torch.nn.Tanh(), torch.nn.Linear(16, 5))


def data() -> tuple[torch.Tensor, torch.Tensor]:
    rng = torch.Generator().manual_seed(0)
    return torch.randn(24, 12, generator=rng), torch.randint(0, 5, (24,), generator=rng)


def train(model: torch.nn.Module, optimizer: torch.optim.Optimizer, steps: int) -> None:
    x, y = data()
    for _ in range(steps):
        optimizer.zero_grad()
        torch.nn.functional.cross_entropy(model(x), y).backward()
        optimizer.step()


def steps_of(folder: Path) -> tuple[int, ...]:
    return htmu_diag.load_run(folder).steps


def watched(folder: Any, steps: int, **choices: Any) -> None:
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with htmu_diag.watch(model, optimizer, log_dir=folder, every=1, sinks=(), **choices):
        train(model, optimizer, steps)


def test_a_second_training_goes_beside_the_first_and_says_so(tmp_path: Path) -> None:
    watched(tmp_path / "run", 3)
    for name in ("run-2", "run-3"):
        with pytest.warns(RuntimeWarning, match=f"holds a run already, so this one goes to .*{name}"):
            watched(tmp_path / "run", 1)
        assert steps_of(tmp_path / name) == (0, 1)
        assert any("holds a run already" in sentence for _, sentence in htmu_diag.load_run(tmp_path / name).events())
    assert steps_of(tmp_path / "run") == (0, 1, 2, 3)


def test_two_models_that_are_watched_in_one_second_have_a_folder_each(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A GAN's generator and discriminator, without a log_dir; nobody named the folder, so nothing is to be said."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr("time.strftime", lambda *_: "noon")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        opened = [htmu_diag.watch(net(), every=1, sinks=()) for _ in range(2)]
        for monitor in opened:
            monitor.close()
        htmu_diag.watch(net(), every=1, sinks=()).close()
    assert sorted(path.name for path in (tmp_path / "runs").iterdir()) == ["noon", "noon-2", "noon-3"]


def test_a_number_under_which_anything_lies_is_passed_over(tmp_path: Path) -> None:
    watched(tmp_path / "run", 1)
    (tmp_path / "run-2").write_text("mine")
    (tmp_path / "run-3").mkdir()
    (tmp_path / "run-3" / "mine.txt").write_text("mine")
    (tmp_path / "run-4").symlink_to(tmp_path / "gone")
    with pytest.warns(RuntimeWarning, match="goes to .*run-5"):
        watched(tmp_path / "run", 1)
    assert [path.name for path in (tmp_path / "run-3").iterdir()] == ["mine.txt"]


def test_the_home_of_nobody_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="without a home folder"):
        watched("~no-such-user/run", 1)


def test_a_folder_that_another_process_writes_is_left_to_it(tmp_path: Path) -> None:
    """Whether that one has written anything yet or not; of many that start at once each has a folder of its own."""
    held = [taken(tmp_path / name) for name in ("run", "run-2")]
    with pytest.warns(RuntimeWarning, match="is being written by process 1 on another, so this one goes to .*run-3"):
        watched(tmp_path / "run", 1)
    held[0].release()
    watched(tmp_path / "run", 2)
    held[0] = taken(tmp_path / "run")
    with pytest.warns(RuntimeWarning, match="holds a run already, so this one goes to .*run-4"):
        watched(tmp_path / "run", 1)
    with pytest.raises(FolderLocked, match="is being written by process 1 on another"):
        watched(tmp_path / "run", 1, start_step=2)
    for lock in held:
        lock.release()
    assert [steps_of(tmp_path / name) for name in ("run", "run-3", "run-4")] == [(0, 1, 2), (0, 1), (0, 1)]


def taken(folder: Path) -> FolderLock:
    """A folder as it is while another process writes it."""
    folder.mkdir(exist_ok=True)
    lock = FolderLock(folder)
    lock.say("process 1 on another")
    return lock


def test_an_occupied_folder_is_refused_or_continued_by_choice(tmp_path: Path) -> None:
    watched(tmp_path / "run", 3)
    with pytest.raises(StorageError, match="start_step"):
        watched(tmp_path / "run", 1, on_exists="refuse")
    with pytest.raises(InputError, match="'new', 'refuse' or 'continue'"):
        watched(tmp_path / "run", 1, on_exists="overwrite")
    assert steps_of(tmp_path / "run") == (0, 1, 2, 3)
    watched(tmp_path / "run", 1, on_exists="continue")
    assert steps_of(tmp_path / "run") == (0, 1)
    assert [path.name for path in tmp_path.iterdir()] == ["run"]


def test_a_resumed_run_stays_in_its_folder(tmp_path: Path) -> None:
    watched(tmp_path / "run", 3)
    watched(tmp_path / "run", 2, start_step=3)
    assert steps_of(tmp_path / "run") == (0, 1, 2, 3, 4, 5)


def test_a_folder_of_other_things_or_of_an_empty_attempt_is_taken(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "config.yaml").write_text("x: 1\n")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        watched(tmp_path / "run", 1)
    assert steps_of(tmp_path / "run") == (0, 1)


def test_a_change_of_the_current_folder_loses_nothing(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "elsewhere").mkdir()
    model = net()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    with htmu_diag.watch(model, optimizer, log_dir="runs/x", every=1):
        train(model, optimizer, 2)
        os.chdir(tmp_path / "elsewhere")
        train(model, optimizer, 2)
    assert steps_of(tmp_path / "runs" / "x") == (0, 1, 2, 3, 4)
    assert not list((tmp_path / "elsewhere").iterdir())


def test_without_a_folder_it_makes_one_by_the_time(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    watched(None, 1)
    (folder,) = (tmp_path / "runs").iterdir()
    assert steps_of(folder) == (0, 1)


@pytest.mark.parametrize("url", ["gs://bucket/run", "s3://bucket/run", "hdfs://a/b", "file:///tmp/x", "gs:/bucket/run"])
def test_a_url_is_refused(url: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="is a URL"):
        watched(url, 1)
    assert not list(tmp_path.iterdir())


def test_a_folder_without_a_name_is_refused(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match="names no folder"):
        watched("", 1)
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("several", [list, tuple, lambda models: dict(zip("ab", models, strict=True))])
def test_several_models_are_watched_as_one(several: Any, tmp_path: Path) -> None:
    models = [net(), net()]
    optimizer = torch.optim.SGD([p for model in models for p in model.parameters()], lr=0.1)
    with htmu_diag.watch(several(models), optimizer, log_dir=tmp_path, every=1, sinks=()):
        for model in models:
            model(data()[0]).square().mean().backward()
        optimizer.step()
    names = htmu_diag.load_run(tmp_path).names()
    assert {name.split(".")[0] for name in names} in ({"0", "1"}, {"a", "b"})


@pytest.mark.parametrize("model", [None, [], [1], "model"])
def test_what_is_no_model_is_one_sentence(model: Any, tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"takes a torch\.nn\.Module"):
        htmu_diag.watch(model, log_dir=tmp_path)


class Labelled(torch.nn.Module):
    """Takes keyword arguments and returns logits and a loss, as models of language do."""

    def __init__(self) -> None:
        super().__init__()
        self.net = net()

    def forward(self, x: torch.Tensor, labels: torch.Tensor | None = None) -> Any:
        logits = self.net(x)
        loss = None if labels is None else torch.nn.functional.cross_entropy(logits, labels)
        return type("Output", (), {"logits": logits, "loss": loss})()


def test_a_dict_serves_every_probe_and_the_models_own_loss(tmp_path: Path) -> None:
    torch.manual_seed(0)
    model, (x, y) = Labelled(), data()
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    probes = ["hessian", "gradient_noise", "ntk", "jacobian", "conjugate_kernel"]
    with htmu_diag.watch(
        model,
        optimizer,
        log_dir=tmp_path,
        every=100,
        sinks=(),
        strict=True,
        probes=probes,
        batch={"x": x, "labels": y},
        loss_fn=lambda out, labels: out.loss,
    ):
        pass
    kinds = {spectrum.source.kind.value for spectrum in htmu_diag.load_run(tmp_path).spectra(0)}
    assert kinds >= set(probes)


def test_gradient_noise_of_a_sum_is_that_of_the_mean(tmp_path: Path) -> None:
    def summed(outputs: torch.Tensor, labels: torch.Tensor) -> torch.Tensor:
        return torch.nn.functional.cross_entropy(outputs, labels, reduction="sum")

    losses = {"mean": torch.nn.CrossEntropyLoss(), "module": torch.nn.CrossEntropyLoss(reduction="sum"), "said": summed}
    found = {}
    for name, loss in losses.items():
        torch.manual_seed(0)
        said: Any = {"loss_reduction": "sum"} if name == "said" else {}
        choices = {"probes": ["gradient_noise"], "batch": data(), "loss_fn": loss, "sinks": (), **said}
        htmu_diag.watch(net(), log_dir=tmp_path / name, **choices).close()
        found[name] = htmu_diag.load_run(tmp_path / name).spectra(0)[0].values
    assert found["module"] == pytest.approx(found["mean"], rel=1e-5)
    assert found["said"] == pytest.approx(found["mean"], rel=1e-5)
