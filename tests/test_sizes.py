"""A file is one sitting."""

from pathlib import Path

ROOT = Path(__file__).parents[1]
LONGEST = 250  # lines


def test_no_file_is_longer_than_one_sitting() -> None:
    lengths = {
        str(path.relative_to(ROOT)): len(path.read_text().splitlines()) for path in (ROOT / "htmu_diag").rglob("*.py")
    }
    assert {name: n for name, n in lengths.items() if n > LONGEST} == {}


def test_the_live_driver_stays_small() -> None:
    monitor = (ROOT / "htmu_diag" / "monitor").rglob("*.py")
    assert sum(len(path.read_text().splitlines()) for path in monitor) <= 900
