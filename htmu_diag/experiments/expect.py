"""What a sweep must show, or must fail to show: one sentence a line of ``expect:``, with the numbers that decide.

    {arm: main, number: TAG, against: KEY, trend: rises | falls | none}    Kendall's tau over runs, permutation p
    {number: TAG, against: KEY, given: [TAG2, ..], trend: none}            the same, tau given other numbers
    {arm: control, number: TAG, against: KEY, within: 1.5}                  means over seeds within that factor
    {number: TAG, least: 1000}   {number: TAG, most: 0.1}                   every mean over seeds
    {number: TAG, like: TAG2, within: 1.1}                                  ratio of the two, every mean over seeds
    {number: TAG, arms: [one, other], trend: higher | lower}                means over the runs of two arms

``where: {key: value}`` restricts the runs; ``words:`` says what the line is about. `holds` is None where too few runs
are there to say.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from scipy.stats import mannwhitneyu

from htmu_diag.experiments.rows import Mean, Row, mean_of, settings, value_words
from htmu_diag.experiments.wanted import check_line
from htmu_diag.fits.rank_correlation import rank_correlations
from htmu_diag.nearest import nearest

__all__ = ["Verdict", "absent", "judge"]

LEVEL = 0.05


@dataclass(frozen=True)
class Verdict:
    """holds: True, False, or None for too few runs. sentence: what was found, in words and numbers."""

    holds: bool | None
    sentence: str

    @property
    def word(self) -> str:
        return {True: "as claimed", False: "not as claimed", None: "undecided"}[self.holds]


def judge(line: Mapping[str, Any], rows: Sequence[Row], varied: Sequence[str]) -> Verdict:
    """One line of ``expect:`` on the finished rows; varied: the keys that tell settings apart.

    Raises ConfigError for a line that says nothing that can be judged.
    """
    check_line(line)
    chosen = [row for row in rows if _belongs(row, line)]
    found = _judged(line, chosen, varied)
    about = f"{line['words']}: " if "words" in line else ""
    return Verdict(found.holds, about + found.sentence)


def _judged(line: Mapping[str, Any], rows: Sequence[Row], varied: Sequence[str]) -> Verdict:
    tag = str(line["number"])
    lacking = absent([str(line[key]) for key in ("number", "like") if key in line], rows)
    if lacking:
        return Verdict(None, lacking)
    if "arms" in line:
        return _two_arms(tag, line, rows)
    if "like" in line:
        return _alike(tag, str(line["like"]), float(line.get("within", 1.1)), rows, varied)
    if "given" in line:
        return _given(tag, str(line["against"]), [str(name) for name in line["given"]], str(line["trend"]), rows)
    if "against" in line and "trend" in line:
        return _trend(tag, str(line["against"]), str(line["trend"]), rows)
    if "against" in line:
        return _flat(tag, str(line["against"]), float(line.get("within", 1.5)), rows)
    return _bounds(tag, line, rows, varied)


def absent(tags: Sequence[str], rows: Sequence[Row]) -> str:
    """What is said where no run has one of these numbers; empty otherwise."""
    if not rows:
        return f"{tags[0]}: no finished run"
    wrong = next((tag for tag in tags if not any(math.isfinite(row.number(tag)) for row in rows)), None)
    if wrong is None:
        return ""
    known = dict.fromkeys(name for row in rows for name in row.numbers)
    near = nearest(wrong, known)
    return f"{wrong}: no run has this number{f'; did you mean {near!r}?' if near else ''}"


def _belongs(row: Row, line: Mapping[str, Any]) -> bool:
    if row.error or ("arm" in line and row.arm != str(line["arm"])):
        return False
    return all(row.values.get(key) == value for key, value in (line.get("where") or {}).items())


def _trend(tag: str, key: str, wanted: str, rows: Sequence[Row]) -> Verdict:
    pairs = [(row.number(key), row.number(tag)) for row in rows]
    pairs = [pair for pair in pairs if all(map(math.isfinite, pair))]
    least = _least_p([x for x, _ in pairs])
    if least > LEVEL:
        return Verdict(None, f"{tag} against {key}: {len(pairs)} runs are too few (p is at least {min(least, 1):.2g})")
    x, y = (np.array(column) for column in zip(*pairs, strict=True))
    (found,) = rank_correlations({tag: y}, x, resamples=200)
    ends = {"rises": found.tau > 0, "falls": found.tau < 0}
    seen = "rises" if found.tau > 0 else "falls"
    means = ", ".join(f"{value} at {setting:g}" for setting, value in _ends(tag, key, rows))
    text = f"tau {found.tau:+.2f} [{found.low:+.2f}, {found.high:+.2f}], p {found.p:.2g}, {len(pairs)} runs"
    text += f"; {means}" if means else ""
    significant = found.p <= LEVEL
    sentence = f"{tag} {seen if significant else 'neither rises nor falls'} with {key} ({text})"
    if wanted == "none":
        return Verdict(not significant, sentence)
    return Verdict(significant and bool(ends[wanted]), sentence)


def _least_p(x: Sequence[float]) -> float:
    """Of a two-sided permutation test of a rank correlation: one order of the runs and its reverse, among all."""
    return 2 / (math.factorial(len(x)) / math.prod(math.factorial(ties) for ties in Counter(x).values()))


def _given(tag: str, key: str, held: Sequence[str], wanted: str, rows: Sequence[Row]) -> Verdict:
    """Partial tau: it counts as there where its bootstrap interval leaves out zero."""
    names = [key, tag, *held]
    table = np.array([[row.number(name) for name in names] for row in rows]).reshape(len(rows), len(names))
    table = table[np.isfinite(table).all(axis=1)]
    given = ", ".join(held)
    if len(table) < 6:
        return Verdict(None, f"{tag} against {key} given {given}: {len(table)} runs are too few")
    controls = {name: table[:, place] for place, name in enumerate(names) if name in held}
    (found,) = rank_correlations({tag: table[:, 1]}, table[:, 0], controls, permutations=499)
    there = found.partial_low > 0 or found.partial_high < 0
    seen = ("rises" if found.partial > 0 else "falls") if there else "neither rises nor falls"
    between = f"[{found.partial_low:+.2f}, {found.partial_high:+.2f}]"
    numbers = f"partial tau {found.partial:+.2f} {between}, tau {found.tau:+.2f}, {len(table)} runs"
    return Verdict(wanted == (seen if there else "none"), f"given {given}, {tag} {seen} with {key} ({numbers})")


def _ends(tag: str, key: str, rows: Sequence[Row]) -> list[tuple[float, Mean]]:
    groups = sorted((float(k[0]), group) for k, group in settings(rows, (key,)).items() if _number(k[0]))
    known = [(value, mean_of(group, tag)) for value, group in groups]
    return [known[0], known[-1]] if len(known) > 1 else known


def _flat(tag: str, key: str, within: float, rows: Sequence[Row]) -> Verdict:
    means = [mean_of(group, tag) for group in settings(rows, (key,)).values()]
    values = [one.value for one in means if math.isfinite(one.value)]
    if len(values) < 2 or min(values) <= 0:
        what = "a factor needs two means" if len(values) < 2 else "a factor needs means above 0"
        return Verdict(None, f"{tag} against {key}: {what}, not {', '.join(f'{value:.3g}' for value in values)}")
    factor = max(values) / min(values)
    sentence = f"{tag} differs by a factor {factor:.2f} over {len(values)} values of {key} (at most {within:g} is flat)"
    return Verdict(factor <= within, sentence)


def _bounds(tag: str, line: Mapping[str, Any], rows: Sequence[Row], varied: Sequence[str]) -> Verdict:
    means = [mean_of(group, tag) for group in _apart(rows, varied)]
    values = [one.value for one in means if one.n]
    low, high = float(line.get("least", -math.inf)), float(line.get("most", math.inf))
    limits = " and ".join([f"at least {low:g}"] * (low > -math.inf) + [f"at most {high:g}"] * (high < math.inf))
    sentence = (
        f"{tag} lies between {value_words(tag, min(values))} and {value_words(tag, max(values))} "
        f"over {len(values)} settings ({limits} wanted)"
    )
    return Verdict(low <= min(values) and max(values) <= high, sentence)


def _alike(tag: str, other: str, within: float, rows: Sequence[Row], varied: Sequence[str]) -> Verdict:
    pairs = [(mean_of(group, tag), mean_of(group, other)) for group in _apart(rows, varied)]
    ratios = [one.value / two.value for one, two in pairs if one.n and two.n and two.value]
    if not ratios:
        return Verdict(None, f"{tag} against {other}: no run has both")
    worst = max(max(ratio, 1 / ratio) for ratio in ratios) if min(ratios) > 0 else math.inf
    sentence = (
        f"{tag} / {other}: {min(ratios):.3g} to {max(ratios):.3g} over {len(ratios)} settings (factor {within:g})"
    )
    return Verdict(worst <= within, sentence)


def _two_arms(tag: str, line: Mapping[str, Any], rows: Sequence[Row]) -> Verdict:
    names = [str(name) for name in line["arms"]]
    groups = [[row for row in rows if row.arm == name and math.isfinite(row.number(tag))] for name in names]
    if min(map(len, groups)) < 2:
        return Verdict(None, f"{tag}: fewer than two runs in an arm of {names}")
    one, other = (np.array([row.number(tag) for row in group]) for group in groups)
    p = float(mannwhitneyu(one, other).pvalue)
    seen = "higher" if one.mean() > other.mean() else "lower"
    apart = one.min() > other.max() or one.max() < other.min()
    means = f"{mean_of(groups[0], tag)} against {mean_of(groups[1], tag)}, rank test p {p:.2g}"
    sentence = f"{tag} is {seen} in {names[0]} than in {names[1]} ({means})"
    return Verdict((p <= LEVEL or apart) and seen == str(line.get("trend", "higher")), sentence)


def _apart(rows: Sequence[Row], varied: Sequence[str]) -> list[list[Row]]:
    """Rows that differ in nothing but the seed: neither in what varies nor in their arm."""
    arms = dict.fromkeys(row.arm for row in rows)
    return [group for arm in arms for group in settings([r for r in rows if r.arm == arm], varied).values()]


def _number(value: Any) -> bool:
    return isinstance(value, (int, float)) and not isinstance(value, bool)
