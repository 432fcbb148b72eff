// "What differs from the other run?": the settings that differ, averages side by side, and layers that drifted most.

import { element } from "./dom.js";
import { number } from "./format.js";
import { median } from "./frame.js";
import { colourLabel } from "./words.js";

const AVERAGED = ["log_kappa", "alpha", "alpha_predicted", "spikes", "stable_rank", "log_norm", "zero_fraction"];
const CURVE = 10; // rows of the list of layers

export class CompareView {
  constructor(parent, { layer, align }) {
    this.selectLayer = layer;
    this.align = align;
    this.box = element("div", { class: "compare" });
    parent.append(this.box);
  }

  /** now: {frame, step, other: {frame, step, toOther} or null, outline, otherOutline, words, losses, alignTag, why}. */
  draw(now) {
    if (!now.other) {
      this.box.replaceChildren(element("p", { class: "empty", text: now.why }));
      return;
    }
    const { frame, step, other, words } = now;
    const at = `${now.outline.name} at step ${frame.steps[step]}, ${now.otherOutline.name} at step ${other.frame.steps[other.step]}`;
    this.box.replaceChildren(
      element("p", { class: "said", text: `${at}${now.alignTag ? ` (equal ${now.alignTag})` : ""}.` }),
      element("div", { class: "pair" }, element("div", {}, element("h3", { text: "Settings that differ" }), settings(now)), element("div", {}, element("h3", { text: "Medians over layers" }), averages(now, words))),
      element("h3", { text: "Layers that differ most in log κ" }),
      this.layers(now),
    );
  }

  layers({ frame, step, other }) {
    const rows = frame.names.map((name, l) => {
      const their = other.frame.layerIndex(name);
      return { name, l, one: frame.at("log_kappa", l, step), two: their < 0 ? NaN : other.frame.at("log_kappa", their, other.step) };
    });
    const known = rows.filter((r) => Number.isFinite(r.one - r.two)).sort((a, b) => Math.abs(b.one - b.two) - Math.abs(a.one - a.two));
    const lacking = rows.filter((r) => other.frame.layerIndex(r.name) < 0).length;
    const more = lacking ? element("p", { class: "note", text: `${lacking} of ${rows.length} layers are not in the other run.` }) : null;
    const body = known.slice(0, CURVE).map((r) => element("tr", { onclick: () => this.selectLayer(r.l) }, element("td", { text: r.name }), ...[r.one, r.two, r.one - r.two].map((x) => element("td", { class: "n", text: number(x) }))));
    const head = element("tr", {}, ...["layer", "this run", "other run", "difference"].map((text) => element("th", { scope: "col", text })));
    return element("div", {}, element("table", {}, element("thead", {}, head), element("tbody", {}, ...body)), more);
  }
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
  const stands = (f, l, s, name) => name !== "alpha_predicted" || !f.missed(l, s);
  const middle = (f, s, name) => median(f.layers.map((_, l) => (stands(f, l, s, name) ? f.at(name, l, s) : NaN)));
  const label = (name) => `${colourLabel({ quantity: name }, words)}${name === "alpha_predicted" ? " (layers that HTMP describes)" : ""}`;
  const rows = AVERAGED.map((name) => [label(name), middle(frame, step, name), middle(other.frame, other.step, name)]);
  const shown = rows.filter(([, a, b]) => Number.isFinite(a) || Number.isFinite(b)).map(([name, a, b]) => [name, number(a), number(b), number(a - b)]);
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
