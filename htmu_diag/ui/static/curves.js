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
    parent.append(this.title);
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

  /** now: {frame, layer, step, other: {frame, layer, toOther} or null, colour, words, name}. A step alone moves a line. */
  draw(now) {
    const key = [now.frame, now.layer, now.other?.frame, now.other?.layer, now.other?.toOther, now.colour, now.curve, now.otherCurve, now.dark];
    if (!this.key || key.some((part, i) => part !== this.key[i])) this.paint(now);
    this.key = key;
    for (const chart of this.charts) chart.at(now.step);
  }

  paint(now) {
    const { frame, layer, words, colour } = now;
    say(this.title, now.name);
    const symbol = (name) => pretty(words.quantities[name]?.symbol ?? name);
    const log = (name) => frame.row(name, layer).map((x) => Math.log10(x));
    this.one(this.alpha, now, "alpha", symbol("alpha"), [
      { label: "noise", y: frame.row("alpha_noise", layer), stroke: "#808790", dash: [2, 3] },
      { label: "predicted", y: frame.told("alpha_predicted", layer), stroke: "blue", dash: [7, 3] },
    ], [frame.row("alpha_low", layer), frame.row("alpha_high", layer)]);
    this.said.hidden = this.alpha.box.hidden;
    const parts = [["alpha_noise", " Dotted: noise of this shape."], ["alpha_predicted", " Blue: predicted, where HTMP describes the spectrum."]];
    say(this.said, `Red: measured, with its 95 % interval.${parts.filter(([name]) => frame.has(name)).map(([, text]) => text).join("")}${now.other ? " Orange: the other run." : ""}`);
    const ofNoise = frame.row("log_kappa", layer).map((x, s) => (noiseAt(frame, layer * frame.steps.length + s) ? x : NaN));
    this.one(this.kappa, now, "log_kappa", symbol("log_kappa"), [{ label: "of noise", y: ofNoise, stroke: "page", width: 2, dash: [3, 3], above: true }], [log("kappa_low"), log("kappa_high")]);
    this.ofNoise.hidden = this.kappa.box.hidden || !ofNoise.some(Number.isFinite);
    const shown = colour.quantity === "alpha" || colour.quantity === "log_kappa" ? { quantity: "stable_rank" } : colour.quantity === "phase" ? { quantity: "spikes" } : colour;
    this.one(this.chosen, now, shown.quantity, colourLabel({ quantity: shown.quantity }, words), [], null);
    this.drawLoss(now);
  }

  /** The training's own curve (its loss), at its own steps. */
  drawLoss({ frame, curve, otherCurve }) {
    this.loss.box.hidden = !curve;
    if (!curve) return;
    const place = (points) => points.map(([s, v]) => [placeOf(frame.steps, s), v]).filter(([x]) => x >= -0.5 && x <= frame.steps.length - 0.5);
    const [mine, theirs] = [place(curve.points), place(otherCurve?.points ?? [])];
    const x = [...new Set([...mine, ...theirs].map(([at]) => at))].sort((a, b) => a - b);
    const on = (points) => { const known = new Map(points); return x.map((at) => known.get(at) ?? null); };
    const lines = [{ label: curve.tag, y: on(mine), stroke: "faint", width: 1.6, spanGaps: true, points: mine.length < 40 }];
    if (theirs.length) lines.push({ label: "other run", y: on(theirs), stroke: "#e08214", dash: [4, 2], spanGaps: true });
    this.loss.draw({
      x, lines, xRange: [-0.5, frame.steps.length - 0.5], yRange: spread([mine.map((p) => p[1]), theirs.map((p) => p[1])]), yLabel: curve.tag,
      xTicks: (width) => stepTicks(frame.steps, width - 60, 60), title: `${curve.tag} through time`,
    });
  }

  one(chart, { frame, layer, other }, name, label, more, interval) {
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
    const theirs = other && other.layer >= 0 ? aligned(other, name, frame) : null;
    if (theirs) lines.push(otherLine(theirs));
    const usual = (interval ?? []).map((bound) => median(bound.filter(Number.isFinite))); // not those of the first steps
    const [low, high] = spread([values, usual, ...more.map((line) => line.y), ...(theirs ? [theirs] : [])], 0.15);
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

/** The line of another run's values in a chart. */
export function otherLine(values) {
  return { label: "other run", y: gaps(values), stroke: "#e08214", width: 1.6, dash: [4, 2] };
}
