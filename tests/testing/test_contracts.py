"""The contracts hold for what the package has, and are broken by what breaks them."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from safetensors.torch import save_file

from htmu_diag.kinds import Kind
from htmu_diag.laws import Exponential, MarchenkoPastur, PowerLaw
from htmu_diag.matrices import StoredTensor
from htmu_diag.matrices.safetensors_files import safetensors_tensors
from htmu_diag.operators import HessianOperator, MatrixOperator, Shifted
from htmu_diag.probes import GradientNoiseProbe, StepContext, TrajectoryProbe, WeightsProbe
from htmu_diag.sinks import JSONLSink, MemorySink
from htmu_diag.spectrum import Source, Spectrum
from htmu_diag.testing import check_format, check_law, check_operator, check_probe, check_sink

NET = torch.nn.Sequential(torch.nn.Linear(8, 12), torch.nn.Tanh(), torch.nn.Linear(12, 8))
BATCH = torch.randn(16, 8), torch.randn(16, 8)
MSE = torch.nn.functional.mse_loss


@pytest.mark.parametrize("probe", [WeightsProbe(), TrajectoryProbe(), GradientNoiseProbe(groups=4)])
def test_probes_of_the_package_keep_the_contract(probe: object) -> None:
    check_probe(probe, model=NET, batch=BATCH, loss_fn=MSE)


class Rows:
    """A probe whose parts can be broken one at a time."""

    name, needs, kinds = "rows", frozenset({"model"}), (Kind("rows"),)
    names = ("a",)
    number = "stable_rank"
    changes = random = False

    def measure(self, context: StepContext) -> Iterator[Spectrum]:
        if self.changes:
            next(context.model.parameters()).data.add_(1)
        for name in self.names:
            values = torch.rand(20).numpy() + 0.1 if self.random else np.arange(1.0, 21)
            yield Spectrum.exact(
                values, Source(Kind("rows"), name, (20, 20), context.step, "1"), scalars={self.number: 1}
            )


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        ({"changes": True}, "not as they were"),
        ({"random": True}, "two measurements at one step differ"),
        ({"names": ("a", "a")}, "two spectra of one kind and name"),
        ({"number": "nobody_knows"}, "add a Quantity"),
        ({"kinds": (Kind.WEIGHTS,)}, "does not declare"),
        ({"needs": frozenset({"batch"})}, "pass batch="),
    ],
)
def test_a_probe_that_breaks_the_contract_is_told(change: dict[str, object], sentence: str) -> None:
    check_probe(Rows(), model=NET)
    with pytest.raises(AssertionError, match=sentence):
        check_probe(type("Broken", (Rows,), change)(), model=torch.nn.Linear(3, 2))


@pytest.mark.parametrize("law", [MarchenkoPastur(0.25), PowerLaw(2.5, 0.1), Exponential(2.0, 1.0)])
def test_laws_of_the_package_keep_the_contract(law: object) -> None:
    check_law(law)  # type: ignore[arg-type]


@dataclass(frozen=True)
class Wrong(Exponential):
    """Says another mean than its samples have."""

    def mean(self) -> float:
        return 2 * super().mean()


def test_a_law_that_breaks_the_contract_is_told() -> None:
    with pytest.raises(AssertionError, match="away from the mean"):
        check_law(Wrong(2.0, 1.0))
    off = type("Off", (Exponential,), {"_logpdf": lambda self, x: Exponential._logpdf(self, x) + 0.01})
    with pytest.raises(AssertionError, match="does not integrate"):
        check_law(off(2.0, 1.0))


def test_operators_keep_the_contract_and_an_asymmetric_one_does_not() -> None:
    matrix = torch.randn(9, 9, dtype=torch.float64)
    check_operator(Shifted(MatrixOperator(matrix + matrix.T), 0.3))
    check_operator(HessianOperator(NET, MSE, BATCH))
    with pytest.raises(AssertionError, match="not symmetric"):
        check_operator(MatrixOperator(matrix))


def test_sinks_keep_the_contract_and_one_that_counts_wrongly_does_not(tmp_path: Path) -> None:
    check_sink(MemorySink)
    check_sink(lambda: JSONLSink(tmp_path / "lines.jsonl"))
    once = type("Once", (MemorySink,), {"close": lambda self: self.__dict__.pop("_open")})
    with pytest.raises(AssertionError, match="any number of times"):
        check_sink(once)


def test_a_format_keeps_the_contract_and_one_that_reads_too_much_does_not(tmp_path: Path) -> None:
    tensors = {"fc.weight": torch.randn(6, 4), "bias": torch.arange(3.0)}
    save_file(tensors, tmp_path / "a.safetensors")
    check_format(safetensors_tensors, tmp_path / "a.safetensors", tensors)
    with pytest.raises(AssertionError, match="names"):
        check_format(lambda path: list(safetensors_tensors(path))[:1], tmp_path / "a.safetensors", tensors)
    with pytest.raises(AssertionError, match="a name twice"):
        check_format(lambda path: [*safetensors_tensors(path)] * 2, tmp_path / "a.safetensors", tensors)

    def careless(path: Path) -> Iterator[StoredTensor]:
        if path.name.startswith("cut"):
            raise KeyError("header")
        yield from safetensors_tensors(path)

    with pytest.raises(AssertionError, match="raises KeyError"):
        check_format(careless, tmp_path / "a.safetensors", tensors)
