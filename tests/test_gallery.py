"""The pictures of the ideas and of the phases are those that the code draws: told by their data, not by their bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from htmu_diag.theory import Phase
from tests.gallery import FOLDER, GALLERY, KEY, PHASES, PICTURED, drawn

ROOT = Path(__file__).parents[1]
DRAWN = {FOLDER / f"{name}.png": draw for name, draw in GALLERY.items()}
DRAWN |= {FOLDER.parent / f"{name}.png": draw for name, draw in PHASES.items()}


@pytest.mark.parametrize("path", DRAWN, ids=lambda path: path.stem)
def test_a_picture_in_the_documentation_is_the_one_that_is_drawn(path: Path) -> None:
    with Image.open(path) as picture:
        stored = json.loads(picture.info[KEY])
    fresh = drawn(DRAWN[path]())
    assert len(stored) == len(fresh) > 0
    for old, new in zip(stored, fresh, strict=True):
        assert old == pytest.approx(new, rel=1e-3, abs=1e-6)


def test_pictures_differ_in_their_data() -> None:
    names = list(GALLERY)[:2]
    assert drawn(GALLERY[names[0]]()) != drawn(GALLERY[names[1]]())


def test_every_picture_is_shown() -> None:
    pages = "".join(path.read_text(encoding="utf-8") for path in ROOT.glob("docs/concepts*.md"))
    assert all(f"(gallery/{name}.png)" in pages for name in GALLERY)
    assert {path.stem for path in FOLDER.glob("*.png")} == set(GALLERY)


def test_each_phase_has_its_picture() -> None:
    page = (ROOT / "docs/phases.md").read_text(encoding="utf-8")
    assert PICTURED.keys() == set(Phase) - {Phase.UNDETERMINED}
    assert [name for name in PHASES if f"({name}.png)" in page] == list(PHASES)
    assert {path.stem for path in FOLDER.parent.glob("phase_*.png")} == PHASES.keys()


def test_a_phase_s_picture_says_the_phase() -> None:
    named = {phase: PHASES[name]().axes[0].get_title(loc="left") for phase, name in zip(PICTURED, PHASES, strict=True)}
    assert all(phase.value in title for phase, title in named.items())
