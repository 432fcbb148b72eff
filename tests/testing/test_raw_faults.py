"""A wrong object that raises, or is wrong where no sum shows it, is told in a sentence of its contract."""

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

from htmu_diag.kinds import Kind
from htmu_diag.laws import Exponential
from htmu_diag.matrices.stored import StoredTensor
from htmu_diag.sinks import MemorySink
from htmu_diag.spectrum import Source, Spectrum
from htmu_diag.testing import check_format, check_law, check_operator, check_probe, check_sink

NET = torch.nn.Linear(3, 2)


def fail(*_: object, **__: object) -> None:
    raise ZeroDivisionError("two\nlines")


def law(**changed: Any) -> Callable[[], None]:
    return lambda: check_law(type("Wrong", (Exponential,), changed)(2.0))


def sink(**changed: Any) -> Callable[[], Any]:
    return lambda: check_sink(type("Wrong", (MemorySink,), changed))


def operator(**changed: Any) -> Callable[[], None]:
    right = {"shape": (3, 3), "dtype": torch.float64, "device": "cpu", "matvec": lambda v: v, "matmat": lambda v: v}
    return lambda: check_operator(SimpleNamespace(**(right | changed)))


def probe(measure: Callable[[Any], Any]) -> Callable[[], Any]:
    fields = {"name": "wrong", "needs": frozenset({"model"}), "measure": lambda _, context: measure(context)}
    return lambda: check_probe(type("Wrong", (), fields)(), model=NET)


def spectrum(values: np.ndarray, **scalars: Any) -> list[Spectrum]:
    return [Spectrum.exact(values, Source(Kind("own"), "a", (4, 4), 7, "1"), scalars=scalars)]


def hooked(context: Any) -> list[Spectrum]:
    context.model.register_forward_hook(lambda *_: None)
    return spectrum(np.arange(1.0, 5))


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "law: class": (lambda: check_law(Exponential), "Exponential: is a class; pass an object"),  # type: ignore[arg-type]
    "law: mean a property": (law(mean=property(lambda _: 1.0)), r"Wrong: mean\(\) raises TypeError"),
    "law: no ends": (law(support=lambda _: None), r"raises TypeError \(cannot unpack"),
    "law: raises": (law(_cdf=fail), r"cdf\(array of shape \(7,\)\) raises ZeroDivisionError \(two\);"),
    "law: NaN": (law(_cdf=lambda _, x: x * math.nan), r"cdf\(.* gives NaN at"),
    "law: rvs without rng": (law(rvs=lambda _, size: np.ones(size)), r"rvs\(4000, rng=generator\) raises TypeError"),
    "law: variance": (law(var=lambda one: 2 * Exponential.var(one)), r"var\(\) is .*; by its cdf"),
    "law: no atom": (law(atom=property(lambda _: 0.3)), "its atom at 0 is 0.3, but its cdf goes"),
    "sink: open": (sink(open=lambda _, run: None), r"open\(.*start_step=0\) raises TypeError .*must take open"),
    "sink: write": (sink(write=fail), r"write\(record\) at step 0 .* raises ZeroDivisionError"),
    "sink: generator": (sink(write=lambda _, record: iter(())), "it must do its work and give None"),
    "sink: close": (sink(close=fail), r"close\(\) raises ZeroDivisionError .* any number of times"),
    "operator: shape": (operator(shape=3), "its shape 3 raises TypeError .*pair of whole numbers"),
    "operator: dtype": (operator(dtype="float32"), "its dtype 'float32' is none of torch's"),
    "operator: None": (operator(matvec=lambda v: None), "gives a NoneType, no tensor"),
    "operator: raises": (operator(matvec=fail), r"matvec\(tensor of shape \(3,\)\) raises ZeroDivisionError"),
    "probe: None": (probe(lambda _: None), r"measure\(context\) raises TypeError .*must yield a Spectrum"),
    "probe: nothing": (probe(lambda _: []), "yields nothing"),
    "probe: arrays": (probe(lambda _: [np.ones(3)]), "yields a ndarray, no Spectrum"),
    "probe: text": (probe(lambda _: spectrum(np.ones(4), alpha="deep")), "raises InputError .*single number"),
    "probe: numpy's generator": (probe(lambda _: spectrum(np.random.rand(4))), "two measurements at one step differ"),  # noqa: NPY002
    "probe: hook": (probe(hooked), "leaves a hook on the model"),
}


@pytest.mark.parametrize("name", WRONG)
def test_what_is_wrong_is_told(name: str) -> None:
    check, sentence = WRONG[name]
    with pytest.raises(AssertionError, match=sentence):
        check()
    NET._forward_hooks.clear()


@pytest.mark.parametrize(
    ("given", "sentence"),
    [
        (None, r"read\(a.x\) raises TypeError .*must yield a StoredTensor"),
        ({"w": 1}, "yields a str, no StoredTensor"),
        ([StoredTensor("w", (2,), torch.float32, fail)], "w: load.* raises ZeroDivisionError"),  # type: ignore[arg-type]
        ([StoredTensor("w", (2,), torch.float32, lambda rows: [1.0, 1.0])], "gives a list, no tensor"),  # type: ignore
        (
            [StoredTensor("w", (2,), torch.float32, lambda rows: torch.tensor([math.nan, 1])[rows])],
            "half a file is read",
        ),
    ],
    ids=["None", "dict", "raises", "list", "NaN is no other value"],
)
def test_a_wrong_reader_is_told(given: Any, sentence: str, tmp_path: Path) -> None:
    path = tmp_path / "a.x"
    path.write_bytes(b"12345678")
    with pytest.raises(AssertionError, match=sentence):
        check_format(lambda _: given, path, {"w": torch.tensor([math.nan, 1])})
