"""What public functions cannot take is one sentence, and every plain parameter of theirs has a rule."""

import importlib
import inspect
import math
import types
import typing
from collections.abc import Iterator
from dataclasses import is_dataclass
from typing import Any

import numpy as np
import pytest
import torch

import htmu_diag
from htmu_diag import HTMUError, Options, laws, probes
from htmu_diag.arguments import GLOBS, PATH, checked, either, one_of, optional, real, real_array, rules_of, whole
from htmu_diag.errors import InputError
from htmu_diag.fits import fit_htmp, fit_inverse_gamma, fit_power_law
from htmu_diag.laws.ensembles import wishart
from htmu_diag.spectrum import Kind, Source, Spectrum

NUMBERS: tuple[Any, ...] = ("x", 1j, [1], np.array([1, 2]), 10**400, 10**5000, True, math.nan)
ROOMS = ("fits", "theory", "solvers", "operators", "matrices", "offline", "analysis", "laws.ensembles")
# parameters that are checked together with another, by the function's own sentence
BY_THE_FUNCTION = {
    ("fit_marchenko_pastur", "gamma"),
    ("fit_marchenko_pastur", "bootstrap"),  # does nothing any more
    ("covariance_spectrum", "step"),
    ("feature_spectrum", "step"),
    ("jacobian_spectrum", "step"),
    ("jacobian_spectrum", "name"),
    ("ntk_spectrum", "layer"),
    ("full_ntk_spectrum", "verbose"),
    ("input_output_jacobian", "wrt"),
    ("matrix_spectrum", "step"),
    ("matrix_spectrum", "routine"),
    ("matrix_spectrum", "vectors"),
    ("matrix_spectrum", "threads"),
    ("matrix_spectrum", "values_on_host"),
    ("analyze", "ranks"),
    ("analyze", "device"),
}


def public_functions() -> Iterator[tuple[str, Any]]:
    for room in ROOMS:
        module = importlib.import_module(f"htmu_diag.{room}")
        for name in module.__all__:
            found = getattr(module, name)
            if inspect.isfunction(found):
                yield name, found


def is_plain(annotation: Any) -> bool:
    """Whether a parameter is a number, a flag, a word or a generator, or one of several of these."""
    plain = (int, float, bool, str, np.random.Generator, torch.Generator, type(None))
    if typing.get_origin(annotation) is typing.Literal:
        return True
    if typing.get_origin(annotation) not in (None, typing.Union, types.UnionType):
        return False
    options = typing.get_args(annotation)
    return annotation in plain if not options else all(is_plain(option) for option in options)


@pytest.mark.parametrize(("name", "function"), list(public_functions()))
def test_every_plain_parameter_of_a_public_function_has_a_rule_that_refuses(name: str, function: Any) -> None:
    for parameter, annotation in typing.get_type_hints(inspect.unwrap(function), localns={"torch": torch}).items():
        if parameter == "return" or not is_plain(annotation) or (name, parameter) in BY_THE_FUNCTION:
            continue
        assert parameter in rules_of(function), f"{name}({parameter}: {annotation}) has no rule"
        with pytest.raises(InputError, match=f"^{parameter} = .* cannot be taken; pass "):
            rules_of(function)[parameter](parameter, object())


@pytest.mark.parametrize(("name", "function"), list(public_functions()))
def test_every_default_is_one_that_may_be_passed(name: str, function: Any) -> None:
    rules = rules_of(function)
    defaults = {p.name: p.default for p in inspect.signature(function).parameters.values() if p.default is not p.empty}
    assert [name for name, default in defaults.items() if name in rules and not rules[name].holds(default)] == []


@pytest.mark.parametrize("rule", [whole(), real(0), optional(real(0)), either(whole(1), one_of("auto"))])
@pytest.mark.parametrize("value", NUMBERS, ids=lambda value: type(value).__name__)
def test_what_is_no_number_is_refused_in_one_line(rule: Any, value: Any) -> None:
    with pytest.raises(InputError) as refusal:
        rule("steps", value)
    assert len(str(refusal.value).splitlines()) == 1
    assert len(str(refusal.value)) < 200


def test_numbers_of_numpy_are_numbers() -> None:
    assert all(whole(0, 3).holds(value) for value in (np.int64(3), np.int8(3), 3))
    assert all(real(0, 1).holds(x) for x in (np.float32(0.5), np.float64(0.5), np.int64(1), 0.5, 1))
    assert not any(whole(0, 3).holds(value) for value in (np.float64(3), np.bool_(True), np.int64(4)))


def test_ends_of_an_interval_are_taken_as_they_are_said() -> None:
    taken = [real(0, 1, above=True).holds(x) for x in (0, 1e-300, 1, 1 + 1e-15)]
    assert taken == [False, True, True, False]
    assert [real(infinite=True).holds(x) for x in (math.inf, -math.inf, math.nan)] == [True, True, False]
    assert [whole(1, 3).holds(x) for x in (0, 1, 3, 4)] == [False, True, True, False]


def test_arguments_are_checked_by_place_and_by_name_and_defaults_are_not() -> None:
    @checked(b=whole(1))
    def function(a: int, b: int = -7) -> int:
        return a + b

    assert function(1) == -6
    assert function(1, 2) == function(1, b=2) == 3
    for arguments, keywords in (((1, 0), {}), ((1,), {"b": 0})):
        with pytest.raises(InputError, match="b = 0 cannot be taken; pass a whole number from 1 on"):
            function(*arguments, **keywords)
    with pytest.raises(TypeError):
        function()  # type: ignore[call-arg]


@pytest.mark.parametrize(
    "choice",
    [
        {"rng": "a"},
        {"bootstrap": 1.5},
        {"bootstrap": -1},
        {"bootstrap": True},
        {"bootstrap": 10**9},
        {"xmin": "x"},
        {"xmin": 10**400},
        {"tail": None},
        {"cross_check": "no"},
    ],
)
def test_choices_of_the_power_law_fit(choice: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(choice))):
        fit_power_law(np.arange(1.0, 50.0), **choice)


@pytest.mark.parametrize(
    "choice",
    [{"dimension": 60.5}, {"resolution": -1}, {"floor": "x"}, {"below": "x"}, {"rng": 5}, {"orientation": 3}],
)
def test_choices_of_the_htmp_fit(choice: dict[str, Any]) -> None:
    with pytest.raises(InputError, match=next(iter(choice))):
        fit_htmp(np.arange(1.0, 50.0), 0.5, **choice)


def test_a_fraction_and_a_random_source_are_what_they_say() -> None:
    with pytest.raises(InputError, match="fraction"):
        fit_inverse_gamma(np.arange(1.0, 50.0), fraction=0)
    with pytest.raises(InputError, match=r"rng = 5 .* numpy.random.default_rng"):
        wishart(4, 6, rng=5)  # type: ignore[arg-type]


LAWS = [law for law in vars(laws).values() if inspect.isclass(law) and is_dataclass(law)]


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("value", ["x", None, 1j, [1], np.array([0.5, 0.6]), 10**400, True, math.nan])
def test_no_law_takes_a_parameter_that_is_no_number(law: Any, value: Any) -> None:
    names = list(inspect.signature(law).parameters)
    for place, name in enumerate(names):
        others = [value if other == place else 1 if names == ["beta"] else 0.5 for other in range(len(names))]
        with pytest.raises(InputError, match=f"{name} "):
            law(
                **dict(zip(names, others, strict=True))
                | ({"alpha": 2.5} if name != "alpha" and "alpha" in names else {})
            )


def test_points_that_are_no_numbers_are_refused_by_every_law() -> None:
    law = laws.MarchenkoPastur(0.5)
    for points in ("x", [1j], {}, [1, "a"], object(), [[1], [2, 3]]):
        with pytest.raises(InputError, match="points"):
            law.cdf(points)  # type: ignore[arg-type]
    for size in (-1, 1.5, "x", (2, -1)):
        with pytest.raises(InputError, match="size"):
            law.rvs(size, rng=np.random.default_rng(0))  # type: ignore[arg-type]


def test_an_array_is_read_as_it_is_or_refused() -> None:
    given = np.arange(4.0)
    assert real_array(given) is given
    assert real_array(torch.ones(3, dtype=torch.bfloat16, requires_grad=True)).tolist() == [1.0] * 3
    assert real_array([True, 2, 3.5]).tolist() == [1.0, 2.0, 3.5]
    for bad in (np.ma.masked_greater(given, 1), [1j], ["a"], [[1], [1, 2]], {}):
        with pytest.raises(InputError, match="values"):
            real_array(bad)


@pytest.mark.parametrize(
    ("probe", "choice"),
    [
        (probes.ConjugateKernelProbe, {"samples": 0}),
        (probes.CurvatureProbe, {"which": "most"}),
        (probes.CurvatureProbe, {"steps": 1.5}),
        (probes.GradientNoiseProbe, {"groups": 1}),
        (probes.JacobianProbe, {"wrt": 1.5}),
        (probes.NTKProbe, {"outputs": "all"}),
        (probes.TrajectoryProbe, {"coordinates": -1}),
        (probes.WeightsProbe, {"vectors": "often"}),
        (probes.WeightsProbe, {"min_side": "2"}),
        (probes.Steps, {"steps": [1.5]}),
        (Options, {"bootstrap": 1.5}),
        (Options, {"hold": 0}),
    ],
)
def test_a_probe_is_refused_when_it_is_made_not_when_it_measures(probe: Any, choice: dict[str, Any]) -> None:
    with pytest.raises(HTMUError):
        probe(**choice)


@pytest.mark.parametrize("globs", [5, None, [5], b"x"])
def test_globs_are_text(globs: Any) -> None:
    net = torch.nn.Linear(3, 4)
    with pytest.raises(InputError, match="include"):
        htmu_diag.analyze(net, include=globs)
    assert not GLOBS.holds(globs)


def test_one_glob_alone_is_not_taken_apart_into_letters() -> None:
    net = torch.nn.Sequential(torch.nn.Linear(3, 4), torch.nn.Linear(4, 5))
    found = importlib.import_module("htmu_diag.matrices").matrices(net, include="0.*")
    assert found.names == ("0.weight",)
    assert probes.WeightsProbe(include="0.*").inventory(probes.StepContext(0, net)).names == ("0.weight",)  # type: ignore[arg-type]


@pytest.mark.parametrize("path", ["x" * 5000, "a\0b", 5, None, b"x"])
def test_what_is_no_path_is_refused(path: Any) -> None:
    assert not PATH.holds(path)
    for reader in (htmu_diag.load_run, htmu_diag.analyze):
        with pytest.raises(HTMUError):
            reader(path)


@pytest.mark.parametrize(
    "choice", [{"name": 5}, {"shape": (1,)}, {"shape": (1.5, 2)}, {"shape": (-1, 2)}, {"step": "1"}, {"kind": 5}]
)
def test_a_source_says_where_a_spectrum_is_from(choice: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Source(**({"kind": Kind.WEIGHTS, "name": "w", "shape": (2, 3)} | choice))


def test_a_weight_spectrum_of_negative_values_has_numbers() -> None:
    """No Gram matrix has it, and a diagnosis never raises: what has no logarithm is NaN."""
    source = Source(Kind.WEIGHTS, "w", (20, 30))
    for values in (np.linspace(-5.0, 1.0, 20), -np.ones(20), np.r_[-1e300, np.full(19, 1e-300)], np.zeros(20)):
        numbers = htmu_diag.diagnose(Spectrum.exact(values, source), Options(bootstrap=0)).numbers
        assert math.isnan(numbers.get("log_frobenius_norm", math.nan))
    shifted = htmu_diag.diagnose(Spectrum.exact(np.linspace(-1.0, 5.0, 20), source), Options(bootstrap=0)).numbers
    assert shifted["log_frobenius_norm"] == pytest.approx(math.log10(30 * np.linspace(-1.0, 5.0, 20).sum()))
