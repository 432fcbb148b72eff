// One layer's numbers through time: alpha with its interval beside noise and prediction, kappa, and the chosen colour.

import { Chart, gaps, placeOf, spread } from "./chart.js";
import { stepTicks } from "./laws.js";
import { element, say } from "./dom.js";
import { median } from "./frame.js";
import { colourLabel, noiseAt } from "./words.js";
import { pretty } from "./format.js";

export class Curves {
  constructor(parent, select) {
    this.title = element("h3", {});
    this.keys = element("div", { class: "legend runs" });
    parent.append(this.title, this.keys);
    const make = (label) => new Chart(parent, { height: 150, label, onclick: (x) => select(Math.round(x)) });
    this.alpha = make("alpha through time");
    this.said = element("p", { class: "note" });
    parent.append(this.said);
    this.kappa = make("log kappa through time");
    this.ofNoise = element("p", { class: "note", text: "Broken line: κ is that of noise (≥ N); its height means nothing." });
    parent.append(this.ofNoise);
    this.chosen = make("the chosen quantity through time");
    this.loss = make("the training's own curve");
    this.charts = [this.alpha, this.kappa, this.chosen, this.loss];
  }

  /** now: {frame, layer, step, beside: other runs, colour, words, name}. A step alone moves a line. */
  draw(now) {
    const key = [now.frame, now.layer, now.beside, now.colour, now.curve, now.dark];
    if (!this.key || key.some((part, i) => part !== this.key[i])) this.paint(now);
    this.key = key;
    for (const chart of this.charts) chart.at(now.step);
  }

  paint(now) {
    const { frame, layer, words, colour } = now;
    say(this.title, now.name);
    this.keys.replaceChildren(...runKeys(now));
    const symbol = (name) => pretty(words.quantities[name]?.symbol ?? name);
    const log = (name) => frame.row(name, layer).map((x) => Math.log10(x));
    this.one(this.alpha, now, "alpha", symbol("alpha"), [
      { label: "noise", y: frame.row("alpha_noise", layer), stroke: "#808790", dash: [2, 3] },
      { label: "predicted", y: frame.told("alpha_predicted", layer), stroke: "blue", dash: [7, 3] },
    ], [frame.row("alpha_low", layer), frame.row("alpha_high", layer)]);
    this.said.hidden = this.alpha.box.hidden;
    const parts = [["alpha_noise", " Dotted: noise of this shape."], ["alpha_predicted", " Blue: predicted, where HTMP describes the spectrum."]];
    say(this.said, `Red: measured, with its 95 % interval.${parts.filter(([name]) => frame.has(name)).map(([, text]) => text).join("")}`);
    const ofNoise = frame.row("log_kappa", layer).map((x, s) => (noiseAt(frame, layer * frame.steps.length + s) ? x : NaN));
    this.one(this.kappa, now, "log_kappa", symbol("log_kappa"), [{ label: "of noise", y: ofNoise, stroke: "page", width: 2, dash: [3, 3], above: true }], [log("kappa_low"), log("kappa_high")]);
    this.ofNoise.hidden = this.kappa.box.hidden || !ofNoise.some(Number.isFinite);
    const shown = colour.quantity === "alpha" || colour.quantity === "log_kappa" ? { quantity: "stable_rank" } : colour.quantity === "phase" ? { quantity: "spikes" } : colour;
    this.one(this.chosen, now, shown.quantity, colourLabel({ quantity: shown.quantity }, words), [], null);
    this.drawLoss(now);
  }

  /** The training's own curve (its loss), at its own steps. */
  drawLoss({ frame, curve, beside }) {
    this.loss.box.hidden = !curve;
    if (!curve) return;
    const place = (points) => points.map(([s, v]) => [placeOf(frame.steps, s), v]).filter(([x]) => x >= -0.5 && x <= frame.steps.length - 0.5);
    const mine = place(curve.points);
    const others = beside.map((one) => ({ ...one, points: place(one.curve?.points ?? []) })).filter((one) => one.points.length);
    const x = [...new Set([...mine, ...others.flatMap((one) => one.points)].map(([at]) => at))].sort((a, b) => a - b);
    const on = (points) => { const known = new Map(points); return x.map((at) => known.get(at) ?? null); };
    const lines = [{ label: curve.tag, y: on(mine), stroke: "faint", width: 1.6, spanGaps: true, points: mine.length < 40 }];
    for (const one of others) lines.push({ label: one.name, y: on(one.points), ...one.line, spanGaps: true });
    this.loss.draw({
      x, lines, xRange: [-0.5, frame.steps.length - 0.5], yRange: spread([mine, ...others.map((one) => one.points)].map((points) => points.map((p) => p[1]))), yLabel: curve.tag,
      xTicks: (width) => stepTicks(frame.steps, width - 60, 60), title: `${curve.tag} through time`,
    });
  }

  one(chart, { frame, layer, beside }, name, label, more, interval) {
    const values = frame.row(name, layer);
    chart.box.hidden = !values.some(Number.isFinite);
    if (chart.box.hidden) return;
    const lines = [];
    if (interval) {
      lines.push({ label: "low", y: gaps(interval[0]), stroke: "transparent", width: 0 });
      lines.push({ label: "high", y: gaps(interval[1]), stroke: "transparent", width: 0, band: true, fill: "rgba(209,73,91,0.18)" });
    }
    const drawn = [...more, { label, y: values, stroke: "red", width: 2, points: frame.steps.length < 40 }].sort((a, b) => Number(a.above ?? 0) - Number(b.above ?? 0));
    for (const line of drawn) lines.push({ ...line, y: gaps(line.y) });
    const theirs = besides(beside, frame.names[layer], name, frame);
    lines.push(...theirs);
    const usual = (interval ?? []).map((bound) => median(bound.filter(Number.isFinite))); // not those of the first steps
    const [low, high] = spread([values, usual, ...more.map((line) => line.y), ...theirs.map((line) => line.y)], 0.15);
    chart.draw({
      x: frame.steps.map((_, i) => i), lines, xRange: [-0.5, frame.steps.length - 0.5], yRange: [low, high], yLabel: label,
      xTicks: (width) => stepTicks(frame.steps, width - 60, 60), title: `${label} of ${frame.names[layer]} through time`,
    });
  }
}

/** Another run's numbers at this run's measurements: the newest of its own at the same step, or at the same loss. */
export function aligned({ frame: theirs, layer, toOther }, name, frame) {
  const row = theirs.told(name, layer);
  return frame.steps.map((step) => {
    const place = placeOf(theirs.steps, toOther ? toOther(step) : step);
    const at = Math.round(place);
    return at >= 0 && at < row.length && Math.abs(place - at) < 0.75 ? row[at] : NaN;
  });
}

/** The lines of other runs for a layer's number, in the order in which they were chosen; none where a run lacks the layer. */
export function besides(beside, layer, name, frame) {
  return beside.flatMap((one) => {
    const row = one.frame.layerIndex(layer);
    return row < 0 ? [] : [runLine(one, aligned({ ...one, layer: row }, name, frame))];
  });
}

/** The line of another run's values in a chart. */
export const runLine = (one, values) => ({ label: one.name, y: gaps(values), ...one.line });

/** What tells the lines of runs apart, as the elements of a legend; nothing for one run alone. */
export function runKeys({ outline, beside }) {
  if (beside.length === 0) return [];
  const key = (name, line) => element("span", { class: "key" }, sample(line), element("span", { text: name }));
  return [key(`${outline.name} (this run)`, null), ...beside.map((one) => key(one.name, one.line))];
}

function sample(line) {
  const made = element("span", { class: "sample run" });
  if (!line) return made;
  const colour = `var(--${line.stroke})`;
  const stops = line.dash.map((length, i) => [i % 2 ? "transparent" : colour, length]);
  let at = 0;
  made.style.background = `repeating-linear-gradient(90deg,${stops.map(([paint, length]) => `${paint} ${at}px ${(at += length)}px`).join(",")})`;
  return made;
}
