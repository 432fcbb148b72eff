// "Why do the tails change?": what may move them, one above the other on one axis of steps. What was not measured says
// which probe to add, as a line to copy.

import { Chart, gaps, placeOf, spread } from "./chart.js";
import { layerColor } from "./colors.js";
import { aligned, runKeys, runLine } from "./curves.js";
import { element } from "./dom.js";
import { number } from "./format.js";
import { Frame, spearman } from "./frame.js";
import { roundTicks, stepTicks } from "./laws.js";
import { Scatter } from "./scatter.js";
import { axisLabel } from "./words.js";

const LOW = 190; // pixels of a picture beside a curve: the curves stand close, on one axis

export class CausesView {
  /** frames(outline, kind): a promise of the frame of a run's kind. scalars(outline, tags): of curves of its training. */
  constructor(parent, { layer, step, frames, scalars }) {
    this.frames = frames;
    this.scalars = scalars;
    this.selectStep = step;
    this.selectLayer = layer;
    this.keys = element("div", { class: "legend runs" });
    this.rows = element("div", { class: "causes" });
    parent.append(this.keys, this.rows);
    this.panels = [];
  }

  /** now: {frame, layer, step, words, outline, name, beside}. */
  async draw(now) {
    const wanted = this.wanted = now;
    const [loaded, ...theirs] = await Promise.all([now, ...now.beside].map(({ outline }) => this.load(outline, now.words.causes)));
    if (wanted !== this.wanted) return;
    if (this.beside !== now.beside) this.keys.replaceChildren(...runKeys(now));
    this.beside = now.beside;
    const key = JSON.stringify([now.outline.name, now.words.causes.map((cause) => measured(cause, loaded))]);
    if (key !== this.key) this.build(now, loaded);
    this.key = key;
    const of = (known, { cause }) => known.get(cause.scalar ?? cause.kind);
    for (const panel of this.panels) this.drawPanel(panel, now, of(loaded, panel), theirs.map((known) => of(known, panel)));
  }

  /** What a run has of the causes: kind or tag -> frame, null where it was not measured. */
  async load(outline, causes) {
    const loaded = new Map();
    const kinds = [...new Set(causes.map((cause) => cause.kind).filter(Boolean))];
    for (const kind of kinds) loaded.set(kind, kind in outline.kinds ? await this.frames(outline, kind) : null);
    const curves = await this.scalars(outline, causes.map((cause) => cause.scalar).filter((tag) => tag && outline.scalars.includes(tag)));
    for (const cause of causes) if (curves[cause.scalar]) loaded.set(cause.scalar, frameOfCurve(cause, curves[cause.scalar]));
    return loaded;
  }

  build(now, loaded) {
    this.panels = [];
    this.rows.replaceChildren();
    for (const cause of now.words.causes) {
      const [left, right] = [element("div", {}), element("div", {})];
      this.rows.append(element("h3", { text: cause.name, title: now.words.quantities[cause.quantity]?.meaning ?? "" }), element("div", { class: "pair" }, left, right));
      if (!measured(cause, loaded)) {
        left.append(empty(cause));
        continue;
      }
      const none = element("p", { class: "note", text: "This layer has no such number in this run.", hidden: true });
      left.append(none);
      const chart = new Chart(left, { height: 120, label: cause.name, onclick: (x) => this.selectStep(Math.round(x)) });
      const scatter = cause.quantity === "log_kappa" && cause.kind === "weights" ? null : new Scatter(right, (i) => this.selectLayer(this.panels.find((p) => p.scatter === scatter).shown[i]), LOW);
      const said = element("p", { class: "note" });
      right.append(said);
      this.panels.push({ cause, chart, scatter, said, none });
    }
  }

  /** theirs: of this run, the kind of the cause. others: the same of each run beside it, if that has it. */
  drawPanel(panel, now, theirs, others) {
    const { frame, layer, step, words } = now;
    const { cause, chart } = panel;
    const matches = frame.remember(`matches ${theirs.names.join("\n")}`, () => frame.names.map((name) => matching(name, theirs.names)));
    const match = matches[layer];
    const row = match < 0 ? [] : theirs.row(cause.quantity ?? cause.scalar, match);
    chart.box.hidden = !row.some(Number.isFinite);
    panel.none.hidden = !chart.box.hidden;
    const x = theirs.steps.map((s) => placeOf(frame.steps, s));
    const beside = besideOf(now, cause, theirs, others);
    const lines = [{ label: cause.name, y: gaps(row.length ? row : x.map(() => NaN)), stroke: "violet", width: 2, points: x.length < 40 }];
    lines.push(...beside);
    chart.draw({
      x, lines, xRange: [-0.5, frame.steps.length - 0.5], yRange: spread([row, ...beside.map((line) => line.y)]), yLabel: cause.quantity ? axisLabel(cause.quantity, words) : cause.scalar.split("/").pop(),
      xTicks: (width) => stepTicks(frame.steps, width - 60),
      title: `${cause.name} of ${match < 0 ? "no matching layer" : theirs.names[match]}`,
    });
    chart.at(step);
    if (!panel.scatter) { panel.said.textContent = "The quantity that the others are compared with, on the right of each."; return; }
    const at = theirs.nearest(frame.steps[step]);
    const pairs = matches.map((m, l) => [l, m < 0 ? NaN : theirs.at(cause.quantity ?? cause.scalar, m, at), frame.at("log_kappa", l, step)]).filter(([, a, b]) => Number.isFinite(a) && Number.isFinite(b));
    panel.shown = pairs.map(([l]) => l);
    const { rho, n } = spearman(pairs.map((p) => p[1]), pairs.map((p) => p[2]));
    const one = theirs.names.length === 1;
    panel.said.textContent = one ? "One number for the whole model: compare its curve with that of a layer." : `Spearman's ρ over ${n} layers at this step: ${number(rho)}.`;
    panel.scatter.box.hidden = one;
    if (!one) drawScatter(panel, pairs, now);
  }
}

function measured(cause, loaded) {
  return loaded.get(cause.scalar ?? cause.kind)?.has(cause.quantity ?? cause.scalar) ?? false;
}

/** The lines of other runs for a cause, at this run's measurements of it; none where a run lacks them. */
function besideOf({ name, beside }, cause, frame, others) {
  return beside.flatMap((one, i) => {
    const layer = others[i] ? matching(name, others[i].names) : -1;
    return layer < 0 ? [] : [runLine(one, aligned({ frame: others[i], layer, toOther: one.toOther }, cause.quantity ?? cause.scalar, frame))];
  });
}

/** A curve of the training as a frame of one row. */
function frameOfCurve(cause, points) {
  const known = points.filter(([, value]) => value !== null);
  const table = { layers: ["the whole model"], steps: known.map(([step]) => step), values: { [cause.scalar]: Float32Array.from(known, ([, value]) => value) } };
  return new Frame({ layers: [], codes: {} }, table);
}

/** The name among `names` that belongs to a layer: the longest that its own name starts with, or the only one. */
export function matching(layer, names) {
  if (names.length === 1) return 0;
  let [best, length] = [-1, 0];
  names.forEach((name, i) => {
    const start = layer === name || layer.startsWith(`${name}.`) || name.startsWith(`${layer}.`);
    const common = Math.min(name.length, layer.length);
    if (start && common > length) [best, length] = [i, common];
  });
  return best;
}

function drawScatter(panel, pairs, { frame, layer, words, dark }) {
  const [xRange, yRange] = [spread([pairs.map((p) => p[1])]), spread([pairs.map((p) => p[2])])];
  const ticks = (range) => roundTicks(...range).map((x) => [x, number(x)]);
  panel.scatter.draw({
    points: pairs.map(([l, a, b]) => ({ x: a, y: b, color: layerColor(l, frame.layers.length, dark), hollow: false })),
    xRange, yRange, xTicks: ticks(xRange), yTicks: ticks(yRange), xLabel: axisLabel(panel.cause.quantity, words), yLabel: axisLabel("log_kappa", words),
    selected: panel.shown.indexOf(layer), title: `${panel.cause.name} against log kappa`, said: (i) => frame.names[panel.shown[i]],
  });
}

function empty(cause) {
  const code = cause.add;
  const button = element("button", { text: "copy", onclick: () => navigator.clipboard?.writeText(code) });
  return element("div", { class: "empty" }, element("p", { text: "Not measured in this run. Add to watch():" }), element("code", { text: code }), " ", button);
}
