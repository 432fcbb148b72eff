"""What the page computes in JavaScript is what the package computes: laws, bins, held phases, ranks, sentences."""

import hashlib
import itertools
import math
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from scipy import stats
from scipy.integrate import trapezoid

from htmu_diag.analysis import QUANTITIES
from htmu_diag.analysis.density import density
from htmu_diag.analysis.hold import held
from htmu_diag.analysis.packed import CODES
from htmu_diag.laws import InverseGamma, MarchenkoPastur
from htmu_diag.ui import MODULES, read_static, static_folder, words
from tests.browser.runs import kernel

Run = Callable[..., Any]
# sha256 of the files in the npm package uplot 1.6.32, whose own sha512 begins KIMVnG68zvu5XXUbC4LQEPnhwOxB
VENDORED = {
    "uPlot.esm.js": "5dd9b3281aa64b461b42d9945f6adb2649d346502b12281a9ae0d46599a80eba",
    "uPlot.min.css": "df630c6a8d6f8eeaff264b50f73ce5b114f646ffd9a0bb74f049b0a00135fa04",
    "LICENSE.uPlot": "8f989229699b4fe2f1a0432d0e9edc338a8a911e250e2d1b01ecd770a5f5b1bd",
}


@pytest.mark.parametrize("name", VENDORED)
def test_a_vendored_file_is_the_published_one(name: str) -> None:
    data = (static_folder() / "vendor" / name).read_bytes()
    assert hashlib.sha256(data).hexdigest() == VENDORED[name]


def test_modules_are_listed_after_those_that_they_import() -> None:
    import re

    seen: list[str] = []
    for name in MODULES:
        for wanted in re.findall(r'^import .* from "\./(.+)";', read_static(name), re.MULTILINE):
            assert wanted in seen, f"{name} imports {wanted}, which comes later"
        seen.append(name)


def test_the_tab_asks_at_once_for_every_module() -> None:
    named = read_static("index.js").partition("MODULES = [")[2].partition("]")[0]
    assert tuple(re.findall(r'"([^"]+)"', named)) == MODULES


def test_no_module_spells_a_quantitys_meaning_or_asks_another_server() -> None:
    for name in MODULES[1:]:
        text = read_static(name)
        assert "http://" not in text
        assert "https://" not in text
        assert "innerHTML" not in text
        assert not [q for q in QUANTITIES.values() if q.meaning in text], name


@pytest.mark.parametrize(("gamma", "scale"), [(0.1, 1.0), (0.5, 3.0), (1.0, 0.02)])
def test_the_marchenko_pastur_curve_is_the_laws(js: Run, gamma: float, scale: float) -> None:
    x = list(np.geomspace(1e-3, 10, 200) * scale)
    drawn = js("x.map((v) => marchenkoPastur(v, gamma, scale))", x=x, gamma=gamma, scale=scale)
    assert drawn == pytest.approx(MarchenkoPastur(gamma, scale).pdf(np.array(x)), rel=1e-9, abs=1e-12)


def test_the_power_law_integrates_to_its_share_above(js: Run) -> None:
    x = list(np.geomspace(2, 200, 4000))
    drawn, share = (np.array(js(f"x.map((v) => {f}(v, 2.7, 2))", x=x)) for f in ("pareto", "paretoAbove"))
    assert trapezoid(drawn, x) == pytest.approx(1 - share[-1], rel=1e-4)
    assert js("[pareto(1, 2.7, 2), paretoAbove(1, 2.7, 2)]") == [0, 1]


def test_the_lower_tail_integrates_to_its_share_below(js: Run) -> None:
    x = np.geomspace(1e-9, 0.3, 4000)
    drawn = np.array(js("x.map((v) => lowerTail(v, 0.4, 0.3))", x=list(x)))
    assert trapezoid(drawn, x) == pytest.approx(1.0, rel=1e-4)
    assert js("[lowerTail(0.31, 0.4, 0.3), lowerTail(0.1, -1, 0.3)]") == [0, 0]


def test_the_inverse_gamma_curve_is_the_law_cut_at_its_end(js: Run) -> None:
    """From the numbers that a run stores, and in the kernel's own unit: a fifth of the mass lies below its end."""
    numbers = kernel(0).numbers
    shape, scale, end = (numbers[f"inverse_gamma_{name}"] for name in ("shape", "scale", "end"))
    law = InverseGamma(shape, scale)
    x = np.geomspace(end / 30, end, 2000)
    part = {name: numbers[f"inverse_gamma_{name}"] for name in ("shape", "scale", "end", "height")}
    drawn = np.array(js("x.map((v) => inverseGammaPart(v, part))", x=list(x), part=part))
    assert drawn == pytest.approx(0.2 * law.pdf(x) / law.cdf(end), rel=1e-6)
    assert trapezoid(drawn, x) == pytest.approx(0.2 * (1 - law.cdf(x[0]) / law.cdf(end)), rel=1e-4)


@pytest.mark.parametrize("which", ["lowerTailOf", "inverseGammaOf"])
def test_laws_of_the_lowest_values_are_drawn_as_shares_too(js: Run, which: str) -> None:
    """Of the share above x all is left at the lower end, and what the law does not hold at its own."""
    found = density(kernel(100))
    assert found is not None
    numbers = {name: value for name, value in kernel(100).numbers.items() if math.isfinite(value)}
    given = {"numbers": numbers, "first": found.first, "mass": list(found.mass)}
    grid = "union([{first, bins: mass.length, per: 24}])"
    drawn = js(f"lowerCurve({which}(numbers), {grid}, 'above', mass)", **given)
    known = [y for y in drawn if y is not None]
    share = {"lowerTailOf": numbers["lower_n_tail"] / 120, "inverseGammaOf": 0.2}[which]
    assert known[0] == pytest.approx(0.0, abs=1e-6)
    assert 10 ** known[-1] == pytest.approx(1.0 - share, abs=0.1)  # a bin before the law's end
    heights = js(f"lowerCurve({which}(numbers), {grid}, 'density', mass)", **given)
    assert js("lowerCurve(null, {count: 3}, 'density', [])") == [None] * 3
    assert sum(y is not None for y in heights) in (len(known), len(known) - 1)


@pytest.mark.parametrize("first", [-37, 0, 5])
@pytest.mark.parametrize("width", [1, 3, 7])
def test_merged_bins_keep_the_mass_and_lie_on_one_grid(js: Run, first: int, width: int) -> None:
    mass = list(np.random.default_rng(0).dirichlet(np.ones(50)))
    bars = js("merged(mass, first, width)", mass=mass, first=first, width=width)
    assert sum(bar["mass"] for bar in bars) == pytest.approx(1.0)
    assert {(first + bar["from"]) % width for bar in bars[1:]} == {0}
    assert js("Array.from(above(mass))[0]", mass=mass) == pytest.approx(1.0)


def test_about_one_and_a_half_roots_of_n_bars_are_drawn(js: Run) -> None:
    mass = [0.0] * 10 + [0.01] * 100 + [0.0] * 10
    assert js("mergeWidth(mass, 400)", mass=mass) == 3  # 30 bars wanted over 100 bins
    assert js("mergeWidth(mass, 4)", mass=mass) == 8
    assert js("mergeWidth([0, 0], 4)") == 1


@pytest.mark.parametrize("low", [9.94e-5, 9.6e-3, 1e-24, 0.0])
def test_ticks_of_a_logarithmic_axis_end_in_every_range(js: Run, low: float) -> None:
    ticks = js("decades(low, 6.4, 8)", low=math.log10(low) if low else -400.0)
    assert 1 <= len(ticks) <= 8
    assert all(float(tick).is_integer() for tick in ticks)


@pytest.mark.parametrize("hold", [1, 2, 3])
def test_a_change_of_phase_counts_as_it_does_in_the_package(js: Run, hold: int) -> None:
    raw = [int(x) for x in np.random.default_rng(hold).integers(0, 3, 60)]
    assert js("hold(raw, n)", raw=raw, n=hold) == held(raw, hold)
    assert js("hold([0, NaN, 1, NaN, 1, 1], 2)") == [0, None, 0, None, 1, 1]  # what was not measured changes nothing


def test_first_times_need_the_rule_to_last(js: Run) -> None:
    frame = """new Frame({layers: [], codes: {}}, {layers: ["a", "b", "c"], steps: [0, 10, 20, 30, 40],
        values: {spikes: Float32Array.from([0, 1, 0, 1, 1, 0, 0, 1, 1, 1, 1, 1, 0, 0, 0])}})"""
    assert js(f"{frame}.firsts({{quantity: 'spikes', from: 1}}, 3)") == [-1, 4, 0]
    assert js(f"{frame}.firsts({{quantity: 'spikes', from: 1}}, 1)") == [1, 2, 0]


def test_the_list_of_first_times_says_what_the_picture_shows(js: Run) -> None:
    """A matrix left noise at the first step whose letter is another than R, whatever its kappa is."""
    phases = np.random.default_rng(5).choice([0.0, 0.0, 1.0, 4.0, np.nan], (30, 12))
    values = [None if np.isnan(x) else x for x in phases.ravel()]
    js_frame = "new Frame({layers: [], codes: {}}, {layers: names, steps: [...Array(12).keys()], values: {phase}})"
    found = js(
        f"(() => {{ const phase = Float32Array.from(values.map((x) => x ?? NaN)); const frame = {js_frame};"
        " const firsts = WORDS.firsts.map((rule) => frame.firsts(rule, WORDS.held));"
        " return {firsts, shown: frame.heldPhases(WORDS.held)}; })()",
        values=values,
        names=[str(row) for row in range(30)],
    )
    shown = np.array([found["shown"][str(place)] for place in range(phases.size)], float).reshape(phases.shape)
    for name, other in (("left noise", shown >= 1), ("first heavy tail", shown == 4)):
        at = [rule["name"] for rule in words()["firsts"]].index(name)
        assert found["firsts"][at] == [int(row.argmax()) if row.any() else -1 for row in other]
    assert -1 in found["firsts"][0]
    assert max(found["firsts"][0]) > 1


def test_ranks_are_correlated_as_scipy_does(js: Run) -> None:
    rng = np.random.default_rng(3)
    a, b = rng.integers(0, 6, 40).astype(float), rng.standard_normal(40)
    found = js("spearman(a, b)", a=list(a), b=list(b))
    assert found["rho"] == pytest.approx(stats.spearmanr(a, b).statistic)
    assert found["n"] == 40
    assert js("spearman([1, 1, 1], [1, 2, 3]).rho") is None


def test_rows_can_stand_by_role_without_losing_the_models_order(js: Run) -> None:
    layers = [{"role": "q"}, {"role": "up"}, {"role": "q"}, {"role": "up"}]
    assert js("rowOrder(layers, 'role')", layers=layers) == [0, 2, 1, 3]
    assert js("rowOrder(layers, 'model')", layers=layers) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("value", "text"),
    [
        *[(3.14159, "3.14"), (-2.5, "−2.5"), (120.0, "120"), (None, "–"), (1.234e-7, "1.23·10⁻⁷"), (10405.0, "10405")],
        *[(9.99999975e-5, "0.0001"), (9.999e-6, "1·10⁻⁵"), (999999.7, "1·10⁶"), (-2.5e-8, "−2.5·10⁻⁸")],
    ],
)
def test_numbers_read_well(js: Run, value: float | None, text: str) -> None:
    assert js("number(value)", value=value) == text


def test_a_long_name_keeps_what_tells_blocks_and_roles_apart(js: Run) -> None:
    names = [f"blocks.{b}.attention.{part}.weight" for b in (0, 2) for part in ("query", "value")]
    short = js("names.map((n) => shortened(n, 26))", names=names)
    assert len(set(short)) == 4
    assert all(len(text) <= 26 and f"{b}." in text for text, b in zip(short, (0, 0, 2, 2), strict=True))
    deep = [f"model.decoder.layers.{b}.self_attention_projection.part.weight" for b in range(40)]
    assert len(set(js("names.map((n) => shortened(n, 14))", names=deep))) == 40
    assert all(len(text) <= 14 for text in js("names.map((n) => shortened(n, 14))", names=deep))
    assert js("shortened('fc1', 26)") == "fc1"


def test_labels_of_one_axis_are_all_powers_or_all_plain(js: Run) -> None:
    assert js("logLabels([-2, 0, 3])") == ["10⁻²", "1", "10³"]
    assert js("logLabels([-2, -1.69897, -1])") == ["0.01", "0.02", "0.1"]


@pytest.mark.parametrize("span", [(0.34, 3.82), (7.18, 35.9), (-2e-5, 3e-5), (0.5, 0.5000001)])
def test_ticks_of_a_plain_axis_are_few_and_round(js: Run, span: tuple[float, float]) -> None:
    ticks = js("roundTicks(low, high)", low=span[0], high=span[1])
    assert 2 <= len(ticks) <= 5
    assert all(span[0] <= tick <= span[1] for tick in ticks)
    assert len({round(b - a, 12) for a, b in itertools.pairwise(ticks)}) == 1


@pytest.mark.parametrize(
    ("count", "width", "every"), [(41, 300, 20), (41, 900, 5), (12, 900, 1), (500, 700, 50), (3, 50, 2)]
)
def test_ticks_of_measurements_stand_at_round_places(js: Run, count: int, width: int, every: int) -> None:
    ticks = js("stepTicks([...Array(n).keys()].map((i) => 10 * i), width)", n=count, width=width)
    assert ticks == [[place, str(10 * place)] for place in range(0, count, every)]


def test_symbols_come_from_the_table_of_quantities(js: Run) -> None:
    assert js("colourLabel({quantity: 'log_kappa'}, WORDS)") == "log kappa (log₁₀ κ)"
    assert js("colourLabel({quantity: 'alpha', minus: 'alpha_noise'}, WORDS)") == "α − α MP"
    every = js("Object.keys(WORDS.quantities).map((name) => colourLabel({quantity: name}, WORDS))")
    assert len(set(every)) == len(QUANTITIES)


def sentence(js: Run, **numbers: float | str) -> str:
    codes = {
        "tail_status": ["ok", "too_few_values", "not_a_power_law"],
        "htmp_status": ["ok", "at_boundary", "not_converged", "noise", "does_not_describe"],
        "tail": list(CODES["tail"]),
        "lower": list(CODES["lower"]),
        "verdict": list(CODES["verdict"]),
    }
    bulk = {"dimension": 96.0, "bulk_p": 0.4, "spikes": 0.0, "lambda_max": 3.0, "bulk_edge": 2.5, "phase": 0.0}
    tail = {"alpha": 2.5, "alpha_low": 2.0, "alpha_high": 3.0, "alpha_noise": 4.8, "n_tail": 40.0, "p": 0.6}
    law = {"kappa": 1.5, "kappa_low": 1.0, "kappa_high": 2.0, "htmp_ks": 0.04}
    full = {**bulk, **tail, **law, "tail_status": "ok", "htmp_status": "ok", **numbers}
    cells = {k: [float(codes[k].index(v)) if isinstance(v, str) else v] for k, v in full.items()}
    frame = "new Frame({layers: [], codes}, {layers: ['w'], steps: [0], values})"
    said: list[str] = js(f"verdict({frame}, 0, 0, WORDS)", codes=codes, values=cells)
    return " ".join(said)


LOWER = {"lower_exponent": 0.4, "lower_xmax": 0.02, "lower_n_tail": 18.0, "lower": "fits"}


@pytest.mark.parametrize(
    ("numbers", "said"),
    [
        ({}, "The bulk is Marchenko-Pastur noise (p 0.4); no spikes."),
        (
            {"bulk_p": 0.001, "spikes": 3.0, "phase": 3.0},
            "The bulk is not noise (p 0.001); 3 spikes above it, the largest at 1.2 times",
        ),
        ({"bulk_p": 1e-4, "phase": 4.0}, "The bulk is not noise (p below 0.0001); no spikes."),
        (
            {"phase": 4.0, "gap_ratio_z": 4.0, "gap_ratio_z_goe": 0.5},
            "spectrum. Population spread (correlation or spikes),",
        ),
        ({"spikes": math.nan}, "The bulk is Marchenko-Pastur noise (p 0.4). "),
        ({}, "Power-law tail: α 2.5 [2, 3] from 40 values, noise of this shape would give 4.8."),
        ({"alpha_high": 5.0}, "The tail is what noise gives: α 2.5 [2, 5]"),
        (
            {"alpha_high": 5.0, "phase": 4.0},
            "Power-law tail: α 2.5 [2, 5] from 40 values, noise of this shape would give 4.8, which the interval",
        ),
        ({"tail_status": "not_a_power_law"}, "A power-law tail is ruled out, p 0.6 (α 2.5"),
        ({"tail": "ruled out", "p": 0.02}, "A power-law tail is ruled out, p 0.02 (α 2.5"),
        ({"tail": "ruled out (finite end)"}, "A power-law tail is ruled out: it has a finite end (α 2.5"),
        ({"tail": "ruled out (noise)"}, "No power-law tail: the spectrum is noise (α 2.5"),
        ({"tail": "ruled out (noise)", "spikes": 3.0}, "No power-law tail: beside its spikes the spectrum is noise (α"),
        ({"tail": "too few"}, "Too few values for a verdict on the tail (α 2.5"),
        ({"tail_status": "too_few_values", "alpha": math.nan}, "Too few values for a tail."),
        ({"tail": "no fit", "alpha": math.nan}, "No tail could be fitted."),
        ({"htmp_status": "does_not_describe"}, "κ 1.5 [1, 2], but HTMP does not describe this spectrum (KS 0.04)."),
        ({}, "κ 1.5 [1, 2]; HTMP lies within KS 0.04 of the spectrum."),
        ({"kappa": 10405.0, "htmp_status": "noise"}, "κ is that of noise (≥ N)"),
        ({"kappa": 10405.0, "htmp_status": "does_not_describe"}, "κ is that of noise (≥ N), but HTMP does not"),
        ({"htmp_status": "not_converged"}, "κ 1.5 [1, 2] (not converged)"),
        (LOWER, "Lower tail: a 0.4 from 18 values up to 0.02."),
        ({**LOWER, "lower": "fits, then ends"}, "Lower tail: a 0.4 from 18 values up to 0.02."),
        (
            {**LOWER, "lower": "ruled out (finite end)"},
            "the lower tail is ruled out: it has an end (a 0.4 from 18 values",
        ),
        ({**LOWER, "lower": "too few"}, "Too few values for a verdict on the lower tail (a 0.4 from 18 values up to"),
        (
            {"inverse_gamma_shape": 1.5, "inverse_gamma_end": 0.1, "inverse_gamma_ks": 0.05},
            "law of shape 1.5 (KS 0.05).",
        ),
        ({"outliers": 7.0}, "7 outliers known one by one beyond the rest."),
        ({"phase": 4.0}, "Heavy-tailed."),
        ({"phase": math.nan, "verdict": "all equal"}, "All equal: a multiple of an orthogonal matrix, as orthogonal"),
        ({"phase": math.nan, "verdict": "mostly equal"}, "Mostly equal: an orthogonal matrix with changes of low"),
    ],
)
def test_each_outcome_has_its_sentence(js: Run, numbers: dict[str, Any], said: str) -> None:
    assert said in sentence(js, **numbers)


@pytest.mark.parametrize("numbers", [{"phase": 0.0}, {"gap_ratio_z": 2.0}, {"gap_ratio_z_goe": -3.5}])
def test_a_cause_is_named_for_wide_densities_alone_whose_gaps_are_those_of_noise(
    js: Run, numbers: dict[str, Any]
) -> None:
    gaps = {"phase": 4.0, "gap_ratio_z": 4.0, "gap_ratio_z_goe": 0.5}
    assert "Population spread" in sentence(js, **gaps)
    assert "Population spread" not in sentence(js, **{**gaps, **numbers})


def test_a_kappa_of_noise_is_so_by_its_status_in_small_matrices_too(js: Run) -> None:
    cases = [(32.9, "noise"), (32.9, "ok"), (32.9, "does_not_describe"), (10405.0, "does_not_describe")]
    assert js("cases.map(([kappa, status]) => isOfNoise(kappa, status))", cases=cases) == [True, False, False, True]


def test_a_prediction_that_noise_matches_is_called_no_better(js: Run) -> None:
    values = {
        "alpha": [3.0, 3.0],
        "alpha_low": [2.0, 2.0],
        "alpha_high": [4.0, 4.0],
        "alpha_predicted": [3.5, 6.0],
        "alpha_noise": [3.2, 3.1],
    }
    frame = "new Frame({layers: []}, {layers: ['a', 'b'], steps: [0], values})"
    said = js(f"predictionSentence(predictionShares({frame}, 0), median)", values=values)
    assert said.startswith(
        "1 of 2 layers have the prediction inside their 95 % interval; the value of pure noise lies inside for 2"
    )
    assert said.endswith("The prediction does no better than noise here.")


def test_layers_that_the_law_does_not_describe_are_said_beside_their_predictions(js: Run) -> None:
    names = ("alpha", "alpha_low", "alpha_high", "alpha_predicted", "alpha_noise")
    values = {**{name: [3.0, 3.0] for name in names}, "alpha_noise": [9.0, 9.0], "htmp_status": [0.0, 1.0]}
    codes = "{htmp_status: ['ok', 'does_not_describe']}"
    arrays = "Object.fromEntries(Object.entries(values).map(([name, row]) => [name, Float32Array.from(row)]))"
    frame = f"new Frame({{layers: [], codes: {codes}}}, {{layers: ['a', 'b'], steps: [0], values: {arrays}}})"
    said = js(f"predictionSentence(predictionShares({frame}, 0), median)", values=values)
    assert said.startswith("1 of 1 layer has the prediction inside")
    assert "HTMP does not describe the spectra of 1 more (grey)" in said
    assert "so they are not counted" in said
    assert js(f"[{frame}.missed(0, 0), {frame}.missed(1, 0)]", values=values) == [False, True]
    minus = f"{frame}.cells({{quantity: 'alpha', minus: 'alpha_predicted'}}, 1)"
    assert js(f"[...{minus}]", values=values) == [0, None]  # no difference to what means nothing
    assert js(f"[0, 1].map((l) => {frame}.told('alpha_predicted', l)[0])", values=values) == [3, None]


def test_the_state_in_the_address_survives_a_round_trip(js: Run) -> None:
    made = """(() => { let kept = {}; const host = {read: () => kept, write: (parts) => { kept = parts; }};
        const one = new State(host); one.set({layer: "a&b=c#d", step: 30});
        return [kept, new State(host).get("layer")]; })()"""
    assert js(made) == [{"layer": "a&b=c#d", "step": "30"}, "a&b=c#d"]
    assert js("known({layer: 'x', nonsense: 1})") == {"layer": "x"}


def test_a_played_run_writes_the_address_now_and_then_and_its_last_step_in_the_end(js: Run) -> None:
    made = """(() => { const [later, written, clock] = [[], [], Date.now]; let now = 1000;
        globalThis.setTimeout = (call) => later.push(call); Date.now = () => now;
        const one = new State({read: () => ({}), write: (parts) => written.push(parts.step)});
        for (let step = 1; step < 10; step++) one.set({step});
        const soon = [...written]; now += 200; later.forEach((call) => call()); Date.now = clock;
        return [soon, written, later.length]; })()"""
    assert js(made) == [["1"], ["1", "9"], 1]


def test_every_phase_has_its_letter_and_its_meaning() -> None:
    phases = words()["phases"]
    assert [phase["letter"] for phase in phases] == list("RBSDHC")
    assert all(phase["meaning"] for phase in phases)


def _luminance(colour: str) -> float:
    """Relative luminance (WCAG 2) of "rgb(r,g,b)" or of "#rrggbb" or "#rgb"."""
    digits = colour.removeprefix("#")
    digits = "".join(c * 2 for c in digits) if len(digits) == 3 else digits
    parts = re.findall(r"\d+", colour) if colour.startswith("rgb") else [int(digits[i : i + 2], 16) for i in (0, 2, 4)]
    red, green, blue = (
        x / 12.92 if x <= 0.04045 else ((x + 0.055) / 1.055) ** 2.4 for x in (int(p) / 255 for p in parts)
    )
    return 0.2126 * red + 0.7152 * green + 0.0722 * blue


def _contrast(one: str, other: str) -> float:
    low, high = sorted((_luminance(one), _luminance(other)))
    return (high + 0.05) / (low + 0.05)


def test_curves_and_the_first_layers_points_are_seen_on_either_page(js: Run) -> None:
    assert _contrast("#fff", "rgb(0,0,0)") == pytest.approx(21)
    light, dark = re.findall(r"^\.htmu(?:\.dark)?\{(--ink.*)", read_static("style.css"), re.MULTILINE)
    for theme, selector in ((light, "false"), (dark, "true")):
        colours = dict(re.findall(r"--(\w+):(#\w+)", theme))
        for name in ("ink", "faint", "red", "blue", "green", "violet"):
            assert _contrast(colours[name], colours["page"]) > 3, name
        points = js(f"[0, 1, 2, 3, 4, 5].map((l) => layerColor(l, 12, {selector}))")
        assert min(_contrast(point, colours["page"]) for point in points) > 2.9


FRAME = """((kappas, statuses, shapes) => new Frame({layers: kappas.map((_, l) => ({name: `w${l}`, shape: shapes[l]})),
    codes: {htmp_status: ["ok", "noise"]}}, {layers: kappas.map((_, l) => `w${l}`), steps: [0], values: {
    kappa: kappas, log_kappa: kappas.map(Math.log10), htmp_status: statuses}}))"""


def test_layers_that_differ_are_those_whose_kappas_read_otherwise_and_noise_has_no_number(js: Run) -> None:
    shapes = [[40, 40]] * 5
    one = f"{FRAME}([2, 45, 1e4, 3, 45], [0, 1, 0, 0, 1], shapes)"
    two = f"{FRAME}([2.0001, 1e4, 10, 30, 60], [0, 0, 0, 0, 1], shapes)"
    found = js(f"drifted({{frame: {one}, step: 0, other: {{frame: {two}, step: 0}}}})", shapes=shapes)
    assert [row["name"] for row in found] == ["w2", "w3"]  # equal as read, noise in both: no difference
    assert js("[logKappas(Infinity, 1), logKappas(4.02, 4.02), logKappas(1.5, 1)]") == [
        ["noise", "1", "–"],
        ["noise", "noise", "–"],
        ["1.5", "1", "0.5"],
    ]
    assert js(f"drifted({{frame: {one}, step: 0, other: {{frame: {one}, step: 0}}}})", shapes=shapes) == []


def test_a_difference_to_a_kappa_of_noise_has_no_size_and_two_of_noise_are_equal(js: Run) -> None:
    one, two = (f"{FRAME}({text}, shapes)" for text in ("[45, 2, 45, 4], [1, 0, 1, 0]", "[60, 60, 2, 2], [1, 1, 0, 0]"))
    given = "one, {frame: two}, one.of('log_kappa'), two.of('log_kappa')"
    cells, trusted = js(
        f"((one, two) => [true, false].map((capped) => minusOther({given}, capped)))({one}, {two})[0]",
        shapes=[[40, 40]] * 4,
    )
    assert cells == pytest.approx([0, math.log10(2 / 60), math.log10(45 / 2), math.log10(2)])
    assert trusted == [None, None, None, pytest.approx(math.log10(2))]


def test_a_layer_without_a_phase_has_the_verdict_of_the_other_tables(js: Run) -> None:
    codes = {"verdict": list(CODES["verdict"])}
    values = {"phase": [4.0, math.nan, math.nan], "verdict": [math.nan, 0.0, math.nan]}
    frame = "new Frame({layers: [], codes}, {layers: ['a', 'b', 'c'], steps: [0], values})"
    named = f"((frame) => [0, 1, 2].map((l) => verdictName(frame, l, 0, WORDS)))({frame})"
    assert js(named, codes=codes, values={k: [None if x != x else x for x in v] for k, v in values.items()}) == [
        "heavy-tailed",
        "all equal",
        "no verdict",
    ]


def test_layers_of_another_shape_in_the_other_run_are_told(js: Run) -> None:
    shapes, others = [[40, 80], [8, 8]], [[20, 80], [8, 8]]
    one, two = (f"{FRAME}([1, 1], [0, 0], {name})" for name in ("shapes", "others"))
    (said,) = js(f"unlike({one}, {two})", shapes=shapes, others=others)
    assert said.startswith("1 layer of the same name has another shape in the other run (w0: 40 × 80 here, 20 × 80")
    assert js(f"unlike({one}, {one})", shapes=shapes) == []
    assert js(f"unlike({one}, {one.replace('shapes)', 'others)')}, true)", shapes=shapes, others=others) == []
    fewer = f"{FRAME}([1], [0], shapes)"
    assert js(f"unlike({one}, {fewer})", shapes=shapes) == ["1 of 2 layers is not in the other run."]


def test_values_in_the_order_of_time_are_as_many_as_so_far(js: Run) -> None:
    """As in every other table; an event file tells the shape of the first measurement alone."""
    frame = "new Frame({layers: [{name: 'w', shape: [20, 300]}]}, {layers: ['w'], steps: [20, 40], values})"
    said = f"['trajectory', 'weights'].map((kind) => [0, 1].map((s) => shapeAt({frame}, 0, s, kind, WORDS)))"
    series, matrix = js(said, values={"dimension": [math.nan, 40.0]})
    assert series == ["20 × 300", "40 × 300"]
    assert matrix == ["20 × 300", "20 × 300"]


def test_a_single_layers_prediction_is_told_in_the_singular(js: Run) -> None:
    shares = "{layers: 1, predicted: 1, noise: 0, compared: 0, inverse: 0, missed: 0, differences: [1]}"
    said = js(f"predictionSentence({shares}, median)")
    assert said.startswith("1 of 1 layer has the prediction inside its 95 % interval; the value of pure noise does not")


def test_what_runs_of_earlier_versions_do_not_tell_is_not_said(js: Run) -> None:
    told = sentence(js, lower_exponent=0.4, inverse_gamma_shape=1.5, inverse_gamma_ks=0.05, outliers=0.0)
    assert not [part for part in ("ower tail", "Near zero", "outlier") if part in told]


@pytest.mark.parametrize(
    "names", [[], ["a"], ["a", "b"], ["*"], [""], ['["a"]'], ["a,b", "c&d=e", "[x"], ["[x"], ['["a"]', "*"], ["[1]"]]
)
def test_runs_in_the_address_come_back_whatever_their_names(js: Run, names: list[str]) -> None:
    assert js("named(joined(names))", names=names) == names
    assert js("named(joined(names), ['all', 'of'])", names=names) == names


def test_a_link_of_one_run_is_its_name_and_a_star_is_every_run(js: Run) -> None:
    assert js("[joined(['runs/a b']), named('runs/a b'), named('*', ['x', 'y']), named('[1]')]") == [
        *("runs/a b", ["runs/a b"], ["x", "y"], ["[1]"])
    ]
    runs = [{"name": name} for name in "abc"]
    found = js("chosen(JSON.stringify(['b', 'gone', 'a', 'b', 'c']), runs, 'a')", runs=runs)
    assert ([run["name"] for run in found["found"]], found["gone"], found["left"]) == (["b", "c"], ["gone"], 0)
    many = [{"name": str(place)} for place in range(30)]
    few = js("(({found, left}) => [found.length, left])(chosen('*', many, '0'))", many=many)
    assert few == [12, 17]


def test_the_first_dozen_lines_of_runs_are_told_apart_by_colour_or_dash_and_seen_on_either_page(js: Run) -> None:
    lines = js("[...Array(12).keys()].map(lineOf)")
    assert len({(line["stroke"], *line["dash"]) for line in lines}) == 12
    assert len({tuple(line["dash"]) for line in lines[:6]}) == 6
    light, dark = re.findall(r"^\.htmu(?:\.dark)?\{(--ink.*)", read_static("style.css"), re.MULTILINE)
    every = dict(re.findall(r"--(\w+):(#\w+)", light))
    for colours in (every, every | dict(re.findall(r"--(\w+):(#\w+)", dark))):
        assert min(_contrast(colours[f"run{n}"], colours["page"]) for n in range(1, 7)) > 2.5


def test_a_fresh_page_of_several_runs_says_nothing_in_its_address(js: Run) -> None:
    made = """(() => { let kept = {}; const write = (parts) => { kept = parts; };
        const host = {defaults: {other: "*"}, read: () => kept, write}; const one = new State(host);
        const fresh = [one.get("other"), one.parts()]; one.set({other: ""});
        return [...fresh, kept, new State(host).get("other")]; })()"""
    assert js(made) == ["*", {}, {"other": ""}, ""]


def test_what_failed_after_the_last_column_is_told_with_its_reason(js: Run) -> None:
    """A run that diverged has no column where nothing could be measured."""
    events = [[40, "a"], [90, "0.weight: 8 of 8 values are NaN"], [90, "1.weight"], [100, "0.weight: all NaN"]]
    assert js("failedLater(events, 80)", events=events) == (
        "Not shown, since nothing could be measured: steps 90 to 100 (2 of them). The last reason: 0.weight: all NaN"
    )
    assert js("failedLater(events, 90)", events=events).startswith(
        "Not shown, since nothing could be measured: step 100."
    )
    assert js("failedLater(events, 100)", events=events) == ""


def test_neighbours_on_an_axis_have_labels_that_differ(js: Run) -> None:
    assert js("toldApart([0, 0.5, 1])") == ["0", "0.5", "1"]
    assert js("toldApart([34.57001, 34.57002])") == ["34.57001", "34.57002"]
