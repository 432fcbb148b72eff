// "What differs from the other run?": the settings that differ, averages side by side, and layers that drifted most.

import { Chart, gaps, placeOf, spread } from "./chart.js";
import { runKeys, runLine } from "./curves.js";
import { element } from "./dom.js";
import { count, number } from "./format.js";
import { median } from "./frame.js";
import { stepTicks } from "./laws.js";
import { colourLabel, noiseAt, NOISE } from "./words.js";

const AVERAGED = ["log_kappa", "alpha", "alpha_predicted", "spikes", "stable_rank", "log_norm", "zero_fraction"];
const CURVE = 10; // rows of the list of layers

export class CompareView {
  constructor(parent, { layer, step }) {
    this.selectLayer = layer;
    this.box = element("div", { class: "compare" });
    this.curves = new Medians(step);
    parent.append(this.box, this.curves.box);
  }

  /** now: {frame, step, other: {frame, step, toOther} or null, beside, outline, otherOutline, words, losses, alignTag, why}. */
  draw(now) {
    this.curves.box.hidden = !now.other || now.frame.steps.length < 2;
    if (!this.curves.box.hidden) this.curves.draw(now);
    if (!now.other) {
      this.box.replaceChildren(element("p", { class: "empty", text: now.why }));
      return;
    }
    const { frame, step, other, words } = now;
    const at = `${now.outline.name} at step ${frame.steps[step]}, ${now.otherOutline.name} at step ${other.frame.steps[other.step]}`;
    this.box.replaceChildren(
      element("p", { class: "said", text: `${at}${now.alignTag ? ` (equal ${now.alignTag})` : ""}.` }),
      element("div", { class: "pair" }, element("div", {}, element("h3", { text: "Settings that differ" }), settings(now)), element("div", {}, element("h3", { text: `Medians over layers${now.losses.length ? ", then the training's own curves" : ""}` }), averages(now, words))),
      element("h3", { text: "Layers that differ most in log κ" }),
      this.layers(now),
    );
  }

  layers(now) {
    const rows = drifted(now);
    const notes = unlike(now.frame, now.other.frame, now.kind in now.words.values).map((text) => element("p", { class: "note", text }));
    const shared = now.frame.names.some((name) => now.other.frame.layerIndex(name) >= 0);
    if (rows.length === 0) return element("div", {}, shared ? element("p", { class: "empty", text: "None differs." }) : null, ...notes);
    const body = rows.slice(0, CURVE).map((r) => element("tr", { onclick: () => this.selectLayer(r.l) }, element("td", { text: r.name }), ...logKappas(r.one, r.two).map((text) => element("td", { class: "n", text }))));
    const head = element("tr", {}, ...["layer", "this run", "other run", "difference"].map((text) => element("th", { scope: "col", text })));
    return element("div", {}, element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)), ...notes);
  }
}

/** Medians over the layers of every run that is chosen, through time. */
class Medians {
  constructor(step) {
    this.keys = element("div", { class: "legend runs" });
    this.rows = element("div", { class: "path" });
    this.box = element("div", {}, element("h3", { text: "Medians over layers through time" }), this.keys, this.rows);
    this.charts = AVERAGED.map((name) => {
      const cell = element("div", {});
      return { name, cell, title: element("h3", {}), chart: new Chart(cell, { height: 130, label: name, onclick: (x) => step(Math.round(x)) }) };
    });
    for (const { cell, title } of this.charts) cell.prepend(title);
    this.rows.append(...this.charts.map((one) => one.cell));
  }

  draw(now) {
    const key = [now.frame, now.beside, now.dark];
    if (!this.key || key.some((part, i) => part !== this.key[i])) this.paint(now);
    this.key = key;
    for (const { chart } of this.charts) chart.at(now.step);
  }

  paint({ frame, beside, outline, words }) {
    this.keys.replaceChildren(...runKeys({ outline, beside }));
    for (const { name, cell, title, chart } of this.charts) {
      const mine = frame.steps.map((_, s) => middle(frame, s, name, words));
      const others = beside.map((one) => runLine(one, frame.steps.map((step) => at(one, step, name, words))));
      const known = new Set([...mine, ...others.flatMap((line) => line.y)].filter((x) => Number.isFinite(x)));
      cell.hidden = known.size < 2; // one number in every run at every step has no curve
      title.textContent = label(name, words);
      chart.draw({
        x: frame.steps.map((_, i) => i), lines: [{ label: outline.name, y: gaps(mine), stroke: "ink", width: 2, points: frame.steps.length < 40 }, ...others],
        xRange: [-0.5, frame.steps.length - 0.5], yRange: spread([mine, ...others.map((line) => line.y)]), xTicks: (width) => stepTicks(frame.steps, width - 60),
        title: `median ${name.replaceAll("_", " ")} over layers through time, ${1 + beside.length} runs`,
      });
    }
  }
}

/** Another run's median at a step of this run: its newest measurement there, or where its loss is as low. */
function at({ frame, toOther }, step, name, words) {
  const place = Math.round(placeOf(frame.steps, toOther ? toOther(step) : step));
  return place >= 0 && place < frame.steps.length ? middle(frame, place, name, words) : NaN;
}

/** The median of a number over the layers that have it, as in the package's own averages. */
function middle(frame, step, name, words) {
  const least = words.quantities[name].fitted ? words.levels.fewest : 0;
  const counts = (l) => frame.at("dimension", l, step) >= least && (name !== "alpha_predicted" || !frame.missed(l, step));
  return median(frame.layers.map((_, l) => (counts(l) ? frame.at(name, l, step) : NaN)));
}

const label = (name, words) => `${colourLabel({ quantity: name }, words)}${name === "alpha_predicted" ? " (layers that HTMP describes)" : ""}`;

/**
 * The layers of both runs whose log kappa differs as it is read, the farthest apart first: [{name, l, one, two}]. That
 * of noise is infinite here: it has no value, two of them are equal, and it is farther from a value than any other.
 */
export function drifted({ frame, step, other }) {
  const read = (f, l, s) => (l < 0 ? NaN : noiseAt(f, l * f.steps.length + s) ? Infinity : f.at("log_kappa", l, s));
  const rows = frame.names.map((name, l) => ({ name, l, one: read(frame, l, step), two: read(other.frame, other.frame.layerIndex(name), other.step) }));
  const apart = (r) => Math.min(Math.abs(r.one - r.two), Number.MAX_VALUE);
  return rows.filter((r) => !Number.isNaN(r.one + r.two) && number(r.one) !== number(r.two)).sort((a, b) => apart(b) - apart(a));
}

/** Two log kappas and their difference in words; one of noise has no difference. */
export function logKappas(one, two) {
  const [a, b] = [one, two].map((x) => (x >= Math.log10(NOISE) ? "noise" : number(x)));
  return [a, b, a === "noise" || b === "noise" ? "–" : number(one - two)];
}

/**
 * Cells of a run minus those of the other at the same step, or the same loss; and the same where its size can be trusted.
 * Of log kappa (capped) noise has no value: two of noise are equal, and one is drawn by its cap, whose size means nothing.
 */
export function minusOther(frame, { frame: theirs, toOther }, cells, theirCells, capped) {
  const [n, m] = [frame.steps.length, theirs.steps.length];
  const to = frame.steps.map((step) => theirs.nearest(toOther ? toOther(step) : step));
  const rows = frame.names.map((name) => theirs.layerIndex(name));
  const place = (i) => (rows[Math.floor(i / n)] < 0 ? -1 : rows[Math.floor(i / n)] * m + to[i % n]);
  const plain = cells.map((x, i) => x - (theirCells[place(i)] ?? NaN));
  if (!capped) return [plain, plain];
  const ofNoise = (i) => [noiseAt(frame, i), noiseAt(theirs, place(i))];
  return [plain.map((x, i) => (ofNoise(i).every(Boolean) ? 0 : x)), plain.map((x, i) => (ofNoise(i).some(Boolean) ? NaN : x))];
}

/** Sentences about layers that the other run lacks, or has in another shape. */
export function unlike(frame, theirs, series = false) {
  const shape = (layer) => layer.shape.slice(series ? 1 : 0).join(); // of values in the order of time the number is no shape
  const found = frame.layers.map((layer) => [layer, theirs.layers[theirs.layerIndex(layer.name)]]);
  const lacking = found.filter(([, other]) => !other).length;
  const shaped = found.filter(([layer, other]) => other && shape(layer) !== shape(other));
  const [layer, other] = shaped[0] ?? [];
  return [
    lacking ? `${lacking} of ${count(found.length, "layer")} ${lacking === 1 ? "is" : "are"} not in the other run.` : "",
    layer ? `${count(shaped.length, "layer")} of the same name ${shaped.length === 1 ? "has" : "have"} another shape in the other run (${layer.name}: ${layer.shape.join(" × ")} here, ${other.shape.join(" × ")} there): noise has other values there.` : "",
  ].filter(Boolean);
}

/** The keys whose values differ: [[key, this run's, the other's], ...]; undefined where a run has no such key. */
export function differing(one, two) {
  const keys = [...new Set([...Object.keys(one), ...Object.keys(two)])].sort();
  return keys.filter((key) => one[key] !== two[key]).map((key) => [key, one[key], two[key]]);
}

/** For each of this run's steps the other run's first step with a loss as low: [[step, value]] curves, smoothed by min. */
export function equalLoss(curve, others) {
  const falling = (points) => {
    let best = Infinity;
    return points.filter(([, v]) => v !== null).map(([step, v]) => [step, (best = Math.min(best, v))]);
  };
  const [mine, theirs] = [falling(curve), falling(others)];
  return (step) => {
    const before = mine.filter(([s]) => s <= step);
    const value = before.length ? before[before.length - 1][1] : Infinity;
    const found = theirs.find(([, v]) => v <= value);
    return found ? found[0] : theirs.length ? theirs[theirs.length - 1][0] : step;
  };
}

function settings({ outline, otherOutline }) {
  const rows = differing(outline.config ?? {}, otherOutline.config ?? {});
  if (Object.keys({ ...outline.config, ...otherOutline.config }).length === 0) return element("p", { class: "empty", text: "Neither run says its settings; pass watch(config={...})." });
  if (rows.length === 0) return element("p", { class: "empty", text: "None: both runs have the same settings." });
  return table(["setting", "this run", "other run"], rows.map((row) => row.map((x) => (typeof x === "number" ? String(Number(x.toPrecision(6))) : x === undefined ? "–" : String(x)))));
}

function averages({ frame, step, other, outline, otherOutline, words, losses }) {
  const rows = AVERAGED.map((name) => [name, middle(frame, step, name, words), middle(other.frame, other.step, name, words)]);
  const cells = (name, a, b) => (name === "log_kappa" ? logKappas(a, b) : [number(a), number(b), number(a - b)]);
  const shown = rows.filter(([, a, b]) => Number.isFinite(a) || Number.isFinite(b)).map(([name, a, b]) => [label(name, words), ...cells(name, a, b)]);
  const known = losses.filter(([, a, b]) => Number.isFinite(a.value) || Number.isFinite(b.value));
  const said = (one) => (Number.isNaN(one.value) ? "–" : `${number(one.value)}${one.late}`);
  const last = known.map(([tag, a, b]) => [tag, said(a), said(b), a.late || b.late ? "–" : number(a.value - b.value)]); // of another moment: no difference
  return table(["", "this run", "other run", "difference"], [...shown, ...last]);
}

function table(heads, rows) {
  const head = element("tr", {}, ...heads.map((text) => element("th", { scope: "col", text })));
  const body = rows.map(([name, ...cells]) => element("tr", {}, element("td", { text: name }), ...cells.map((text) => element("td", { class: "n", text }))));
  return element("table", {}, element("thead", {}, head), element("tbody", {}, ...body));
}
