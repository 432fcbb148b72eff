"""What is computed for `numbers` at the ends: what each parameter takes, and what samples that say little give."""

import dataclasses
import importlib
import inspect
import math
from collections.abc import Callable, Iterator
from functools import partial
from typing import Any

import numpy as np

from htmu_diag import Options, diagnose, fits, theory
from htmu_diag.arguments import rules_of
from htmu_diag.errors import HTMUError
from htmu_diag.laws import MarchenkoPastur, PowerLaw
from htmu_diag.spectrum import Estimator, Floats, Kind, Source, Spectrum
from tests.golden.numbers import flat

ROOMS = ("laws", "fits", "theory", "analysis", "matrices", "operators", "solvers", "probes", "storage", "sinks")
WHOLE = [-1, 0, 1, 2, 3, 4, 63, 64, 4096, 4097, 10**6, 10**6 + 1, 10**9, 10**9 + 1, 2**62, 2**62 + 1]
OTHER = [-math.inf, -0.5, -0.0, 0.0, 0.5, 1.0, 1.5, 2.0, 2.5, math.inf, math.nan, "", "auto", None, True, [], ()]


def public(room: str) -> Iterator[tuple[str, Any]]:
    module = importlib.import_module(f"htmu_diag.{room}")
    return ((name, getattr(module, name)) for name in sorted(module.__all__))


def of_interface(room: str) -> dict[str, Any]:
    """Names, order and defaults of parameters, and which values each takes: what users may build on."""
    return {name: of_callable(made) for name, made in public(room) if inspect.isfunction(made) or inspect.isclass(made)}


def of_callable(made: Any) -> dict[str, Any]:
    try:
        parameters = inspect.signature(made).parameters
    except ValueError:
        return {}
    plain = (int, float, str, bool, tuple, type(None))
    defaults = {p.name: repr(p.default) for p in parameters.values() if isinstance(p.default, plain)}
    rules = rules_of(made) if inspect.isfunction(made) else rules_of(made.__init__)
    taken = {name: [rule.words, of_rule(rule)] for name, rule in rules.items()}
    fields = of_fields(made, defaults) if dataclasses.is_dataclass(made) else {}
    return {"order": " ".join(parameters), "defaults": defaults, "taken": taken, "fields": fields}


def of_rule(rule: Any) -> str:
    return " ".join(repr(value) for value in (*WHOLE, *OTHER) if rule.holds(value))


def of_fields(made: Any, defaults: dict[str, str]) -> dict[str, str]:
    """For each field with a default the values that the class can be made with, everything else being as usual."""
    needed = [f for f in dataclasses.fields(made) if f.init and f.default is f.default_factory is dataclasses.MISSING]
    if needed:
        return {}
    return {name: " ".join(repr(v) for v in (*WHOLE, *OTHER) if is_made(made, name, v)) for name in defaults}


def is_made(made: Any, name: str, value: Any) -> bool:
    try:
        made(**{name: value})
    except (HTMUError, TypeError):
        return False
    return True


def of_laws() -> dict[str, Any]:
    """What each parameter of a law may be, the others being a half or one, and the sentence for what it may not."""
    numbers = [value for value in (*WHOLE, *OTHER) if isinstance(value, int | float) and abs(value) != 10**9]
    found = {}
    for name, law in public("laws"):
        if inspect.isclass(law) and dataclasses.is_dataclass(law):
            for parameter in dataclasses.fields(law):
                usual = {field.name: 1 if name == "TracyWidom" else 0.5 for field in dataclasses.fields(law)}
                usual |= {"alpha": 2.5} if "alpha" in usual else {}
                tried = {value: partial(law, **usual | {parameter.name: value}) for value in numbers}
                found |= {f"{name}.{parameter.name}={value!r}": outcome(call) for value, call in tried.items()}
    return found


def outcome(call: Callable[[], Any]) -> str | tuple[float, str]:
    """The sentence of the refusal, or the sizes of all numbers together, how many there are, and the words."""
    try:
        result = call()
    except HTMUError as error:
        return str(error)
    parts = dict(flat(result))
    words = "; ".join(str(part) for name, part in parts.items() if name.endswith(("code", "message", "word", "phase")))
    numbers = [part for part in parts.values() if not isinstance(part, str) and math.isfinite(part)]
    return math.fsum(math.asinh(part) for part in numbers), f"of {len(numbers)} numbers; {words}"


def few(n: int) -> Floats:
    return np.asarray(PowerLaw(2.5).ppf((np.arange(n) + 0.5) / n)) if n else np.zeros(0)


AWKWARD: dict[str, Any] = {
    **{f"{n} values": few(n) for n in (*range(13), 15, 16, 19, 20, 21, 31, 32, 33, 49, 50, 51)},
    "equal": np.ones(30),
    "two kinds": np.repeat([1.0, 2.0], 15),
    "four kinds": np.repeat([1.0, 2.0, 4.0, 8.0], 8),
    "zeros": np.zeros(20),
    "half zeros": np.r_[np.zeros(20), few(20)],
    "negative": -few(20),
    "one negative": np.r_[-1e-17, few(20)],
    "signed": np.r_[-few(15), few(15)],
    "NaN": np.r_[few(20), np.nan],
    "infinite": np.r_[few(20), np.inf],
    "wide": np.logspace(-300, 300, 30),
    "tiny": few(20) * 5e-324,
    "equal but one": np.r_[np.ones(25), 50.0],
    "even": np.arange(1.0, 31.0),
    "square": np.ones((4, 5)),
    "text": "values",
    "list": [3, 1, 2, 5, 4, 9, 7, 8],
    "one number": 3.0,
}
FITTED: dict[str, Callable[[Any], Any]] = {
    "power_law": lambda x: fits.fit_power_law(x),
    "lower": lambda x: fits.fit_power_law(x, tail="lower"),
    "bulk": lambda x: fits.fit_marchenko_pastur(x, 0.5),
    "htmp": lambda x: fits.fit_htmp(x, 1.0),
    "inverse": lambda x: fits.fit_htmp(x, 0.5, orientation="inverse", floor=0.01),
    "small": lambda x: fits.fit_inverse_gamma(x),
    "gaps": lambda x: fits.gap_ratio(x),
    "hill": lambda x: fits.hill(x),
    "exponential": lambda x: fits.fit_tail_law(x, 1.0, "exponential"),
    "distance": lambda x: fits.ks_distance(x, MarchenkoPastur(0.5)),
    "anderson": lambda x: fits.ad_distance(x, PowerLaw(2.0)),
    "rank": lambda x: theory.rank_exponent(x),
    "free": lambda x: theory.least_free_energy(x),
    "energy": lambda x: theory.free_energy(x, 2.0),
}
KINDS = (Kind.WEIGHTS, Kind.HESSIAN, Kind.NTK, Kind.TRAJECTORY)


def of_awkward() -> dict[str, dict[str, Any]]:
    return {name: {fit: outcome(partial(run, x)) for fit, run in FITTED.items()} for name, x in AWKWARD.items()}


def of_diagnoses() -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for name, x in AWKWARD.items():
        if isinstance(x, np.ndarray) and x.ndim == 1 and np.isfinite(x).all() and x.size:
            kinds = KINDS if name != "two kinds" else KINDS[:2]  # of two values nothing but rounding has a shape
            found[name] = {kind.value: outcome(partial(diagnosed, x, kind)) for kind in kinds}
    return found


def diagnosed(x: Floats, kind: Kind) -> Any:
    n = x.size
    source = Source(kind, "w", (n, n if kind != Kind.WEIGHTS else 2 * n))
    found = diagnose(Spectrum.exact(np.sort(x), source), Options(bootstrap=0))
    return {"numbers": found.numbers, "phase": found.phase.name, "message": found.verdict}


def of_other_estimates() -> dict[str, Any]:
    """Spectra that are known in part."""
    x, source = few(30), Source(Kind.HESSIAN, "model", (400, 400), 3)
    masses = np.linspace(1.0, 3.0, 30)
    spectra = {
        "top": Spectrum(x, np.full(30, 1 / 400), 400, source, Estimator("top_k", "lanczos", 60)),
        "rule": Spectrum(x - 2, masses / masses.sum(), 400, source, Estimator("quadrature", "lanczos", 60)),
    }
    return {name: diagnose(spectrum, Options(bootstrap=0, magnitudes=True)).row() for name, spectrum in spectra.items()}


CASES: dict[str, dict[str, Callable[[], Any]]] = {
    "interface": {
        **{room: (lambda room=room: of_interface(room)) for room in ROOMS},  # type: ignore[misc]
        "parameters of laws": of_laws,
    },
    "edges": {"fits": of_awkward, "diagnoses": of_diagnoses, "estimates": of_other_estimates},
}
