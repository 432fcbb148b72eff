"""A package installed beside this one: what it brings is used by its name, without a change here."""

from pathlib import Path

import pytest

from tests import warm

HERE = Path(__file__).parent / "foreign"

LIVE = """
import sys, torch, htmu_diag
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from htmu_diag.analysis import Options
torch.manual_seed(0)
net = torch.nn.Sequential(torch.nn.Linear(40, 60), torch.nn.Linear(60, 50))
with htmu_diag.watch(net, log_dir=sys.argv[1], probes=["weights", "row_lengths"], sinks=["tally"], usual_sinks=False,
                     options=Options(bootstrap=0), settings={"row_lengths": {"power": 2.0}}) as monitor:
    monitor.flush()
    tags = monitor.last.metrics()
assert "row_lengths_triangle_ks/0.weight" in tags and "summary/row_lengths_triangle_ks_mean" in tags, sorted(tags)
assert "row_lengths_triangle_ks/0.weight" in Path(sys.argv[1], "tally.txt").read_text()
from htmu_diag.report import plain_table
assert " tri" in plain_table(monitor.last.diagnoses), plain_table(monitor.last.diagnoses)
from htmu_diag.testing import check_law, check_probe, check_sink
import foreign_spectra
check_law(foreign_spectra.Triangle())
check_probe(foreign_spectra.Lengths(), model=net)
check_sink(lambda: foreign_spectra.Tally(Path(sys.argv[1])))
"""

FILES = """
import sys, numpy, torch, htmu_diag
sys.path.insert(0, sys.argv[2])
from pathlib import Path
from htmu_diag.cli import main
from htmu_diag.offline import analyze_series, find_series
from htmu_diag.testing import check_format
folder, values = Path(sys.argv[1]), torch.randn(30, 40, dtype=torch.float64)
for step in (100, 200):
    numpy.savetxt(folder / f"step_{step}.rows", values * step)
torch.save({"weight": values}, folder / "beside.pt")
assert [row["name"] for row in htmu_diag.analyze(folder / "beside.pt").rows()] == ["weight"]  # of our own reader
assert [step for step, _ in find_series(folder).steps] == [100, 200]
assert [found.step for found in analyze_series(folder)] == [100, 200]
assert main(["analyze", str(folder / "step_100.rows")]) == 0
assert main(["dig", "3", "--deep"]) == 3 and main(["dog"]) == main(["show"]) == 2 and main([]) == 0
import foreign_spectra
(folder / "whole.rows").write_text("1 2\\n3 4\\n5 66\\n")
expected = torch.tensor([[1, 2], [3, 4], [5, 66.0]]).double()
check_format(foreign_spectra.read, folder / "whole.rows", {"weight": expected})
"""

READ = """
import sys
from htmu_diag import load_run
run = load_run(sys.argv[1])
assert "foreign_spectra" not in sys.modules
values = run.metrics("triangle_ks", kind="row_lengths").values
assert (values > 0).all()
print(values.shape)
assert "row_lengths_triangle_ks/0.weight" in run.diagnose().metrics()
from htmu_diag.analysis.quantities import declared
assert [row.name for row in declared()] == ["triangle_ks"]
"""


@pytest.fixture(scope="module")
def installed(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder of packages as pip leaves it: the module and the metadata of its distribution."""
    site = tmp_path_factory.mktemp("site")
    (site / "foreign_spectra.py").write_text((HERE / "foreign_spectra.py").read_text())
    info = site / "foreign_spectra-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-spectra\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text((HERE / "entry_points.txt").read_text())
    return site


def python(code: str, *folders: Path) -> str:
    done = warm.run("-c", code, *map(str, folders))
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_its_numbers_are_curves_columns_and_lines_and_outlive_it(installed: Path, tmp_path: Path) -> None:
    python(LIVE, tmp_path / "run", installed)
    assert python(READ, tmp_path / "run") == "(1, 2)\n"  # where the package is not installed


def test_its_format_is_analysed_and_its_command_runs(installed: Path, tmp_path: Path) -> None:
    assert "dug 3 --deep\n" in python(FILES, tmp_path, installed)
