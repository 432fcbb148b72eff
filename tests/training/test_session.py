"""What a person sees of a training: scores, a table that the stored spectra give again, a picture, a command."""

from __future__ import annotations

import io
import shlex
import struct
from pathlib import Path

import pytest
from rich.console import Console

import htmu_diag
from htmu_diag.config import load_config
from htmu_diag.report.cells import columns
from htmu_diag.training.session import run_session

CONFIG = Path(__file__).parents[2] / "configs" / "digits_mlp.yaml"
SMALL = ["--data.samples=256", "--model.widths=[40,30]", "--monitor.include=[]", "--steps=6", "--monitor.every=3"]


def shown(out: Path, *overrides: str, width: int = 200) -> str:
    said = io.StringIO()
    config = load_config(CONFIG, [*SMALL, "--evaluate_every=3", "--device=cpu", *overrides])
    assert run_session(config, out, console=Console(file=said, width=width)) == 0
    return said.getvalue()


def pixels(picture: Path) -> tuple[int, int]:
    width, height = struct.unpack(">II", picture.read_bytes()[16:24])
    return width, height


@pytest.fixture(scope="module")
def session(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, str]:
    """A folder with a space in its name, and what was said of its training."""
    out = tmp_path_factory.mktemp("session") / "a run"
    return out, shown(out)


def test_the_table_is_what_the_stored_spectra_give(session: tuple[Path, str]) -> None:
    out, said = session
    diagnoses = htmu_diag.load_run(out).diagnose(6).diagnoses
    assert [d.source.name for d in diagnoses] == ["fc1.weight", "fc2.weight", "fc3.weight"]
    for diagnosis in diagnoses:
        row = next(line for line in said.splitlines() if diagnosis.source.name in line)
        cells = [cell.strip() for cell in row.strip("│").split("│")]
        assert cells == [column.text(diagnosis) for column in columns(diagnoses)]
    assert all(column.heading in said for column in columns(diagnoses))


@pytest.mark.parametrize("width", [40, 80])
def test_a_narrow_terminal_loses_no_column(width: int, tmp_path: Path) -> None:
    said = shown(tmp_path / "run", "--steps=1", width=width)
    diagnoses = htmu_diag.load_run(tmp_path / "run").diagnose(1).diagnoses
    assert all(column.heading in said for column in columns(diagnoses))


def test_the_command_for_the_curves_and_the_picture_are_named(session: tuple[Path, str]) -> None:
    out, said = session
    assert f"tensorboard --logdir {shlex.quote(str(out))}\n" in said
    assert f"{out / 'spectra.png'}\n" in said
    assert list(out.glob("events.out.tfevents.*"))


def test_the_picture_has_a_row_for_the_first_step_and_one_for_the_last(
    session: tuple[Path, str], tmp_path: Path
) -> None:
    shown(tmp_path / "last", "--monitor.every=[6]")
    (across, up), (same, less) = pixels(session[0] / "spectra.png"), pixels(tmp_path / "last" / "spectra.png")
    assert across == same
    assert up > 1.8 * less
