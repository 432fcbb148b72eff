"""The pictures of the ideas are those that the code draws: told by their data, not by their bytes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from PIL import Image

from tests.gallery import FOLDER, GALLERY, KEY, drawn

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("name", GALLERY)
def test_a_picture_in_the_documentation_is_the_one_that_is_drawn(name: str) -> None:
    with Image.open(FOLDER / f"{name}.png") as picture:
        stored = json.loads(picture.info[KEY])
    fresh = drawn(GALLERY[name]())
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
