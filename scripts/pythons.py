"""python scripts/pythons.py [--list] [3.12 ...]

Every Python from 3.10 on that is at hand, one after the other: an environment of its own without torch, the package as
pip installs it, `htmu doctor`, and tests of laws, fits and of the command line's words. Which ones are missing is said.
"""

from __future__ import annotations

import argparse
import shutil
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
VERSIONS = ("3.10", "3.11", "3.12", "3.13", "3.14")
TESTS = ("tests/laws/test_marchenko_pastur.py", "tests/fits/test_power_law.py", "tests/config/test_meanings.py")
WITH = ("pytest", "pytest-timeout", "hypothesis", "mpmath", "psutil")


def interpreter(version: str) -> str | None:
    """One that answers with that version: from the path, or from pyenv's folder."""
    of_pyenv = sorted(Path.home().glob(f".pyenv/versions/{version}.*/bin/python"))
    for found in (shutil.which(f"python{version}"), *map(str, of_pyenv), sys.executable):
        if found is not None and answer(found) == version:
            return found
    return None


def answer(python: str) -> str:
    ask = "import sys; print('%d.%d' % sys.version_info[:2])"
    done = subprocess.run([python, "-c", ask], capture_output=True, text=True, check=False)
    return done.stdout.strip()


def trial(version: str, python: str) -> bool:
    """Whether everything went well; what is printed on the way is the user's."""
    folder = ROOT / ".venv" / "pythons" / version
    own = folder / "bin" / "python"
    lines = [
        [python, "-m", "venv", "--clear", str(folder)],
        [str(own), "-m", "pip", "install", "--quiet", str(ROOT), *WITH],
        [str(own), "-m", "htmu_diag", "doctor"],
    ]
    # the conftest above them is for tests that have torch
    lines += [
        [str(own), "-m", "pytest", "-q", "-p", "no:cacheprovider", "--confcutdir", str(Path(one).parent), one]
        for one in TESTS
    ]
    return all(subprocess.run(line, cwd=ROOT, check=False).returncode == 0 for line in lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("versions", nargs="*", default=VERSIONS, metavar="3.X")
    parser.add_argument("--list", action="store_true", help="say what is at hand, and stop")
    chosen = parser.parse_args()
    found = {version: interpreter(version) for version in chosen.versions}
    for version, python in found.items():
        print(f"python {version}: {python or 'not at hand'}")
    if chosen.list:
        return 0
    passed = {version: trial(version, python) for version, python in found.items() if python is not None}
    for version in found:
        print(f"python {version}: {'missing' if version not in passed else 'passed' if passed[version] else 'FAILED'}")
    return 0 if passed and all(passed.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
