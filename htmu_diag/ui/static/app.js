// The page: one state, views that are redrawn from it. No view talks to another.

import { CausesView } from "./causes.js";
import { CompareView, minusOther } from "./compare.js";
import { Curves } from "./curves.js";
import { Firsts } from "./firsts.js";
import { rowOrder } from "./frame.js";
import { HeatMap } from "./heatmap.js";
import { HistoryView } from "./history.js";
import { Loader } from "./load.js";
import { PathView } from "./path.js";
import { PredictionView } from "./prediction.js";
import { SpectrumView, twoSided } from "./spectrum.js";
import { State } from "./state.js";
import { TableView } from "./table.js";
import { Kept } from "./wire.js";
import { controls } from "./controls.js";
import { element, mark, say } from "./dom.js";
import { help } from "./help.js";
import { number } from "./format.js";
import { colourKey, colourLabel, colourMeaning, failedLater, hasColour, shapeAt, valueName, verdict } from "./words.js";

/** Build the page inside `root` from a source and a host; returns the app. */
export async function mount(root, source, host) {
  const app = new App(root, source, host);
  await app.refresh();
  return app;
}

class App {
  constructor(root, source, host) {
    this.root = root;
    this.source = new Kept(source);
    [this.host, this.state] = [host, new State(host)];
    this.loader = new Loader(this.source, this.state);
    root.classList.add("htmu");
    this.build();
    this.dress();
    host.onTheme(() => { this.dress(); this.redraw(); });
    host.onReload(() => { this.source.forget(); this.refresh(); });
    this.state.onChange((changed) => (onlyStep(changed) && this.data && !this.pending ? this.redraw() : this.refresh()));
  }

  build() {
    const select = ({ layer, step }) => this.choose(layer, step);
    this.controls = controls(this.state, () => this.data);
    this.problem = element("div", { class: "problem", role: "alert", hidden: true });
    this.body = element("div", { class: "body", hidden: true });
    const [over, firsts, left, right, more] = ["over", "side", "left", "right", "more"].map((name) => element("section", { class: name }));
    this.heat = new HeatMap(over, select);
    this.firsts = new Firsts(firsts, (layer) => this.choose(layer, null));
    this.overTitle = element("h2", {});
    over.prepend(this.overTitle);
    firsts.prepend(element("h2", { text: "When" }));
    this.spectrumTitle = element("h2", { class: "name" });
    this.verdict = element("p", { class: "said verdict" });
    this.drawn = element("p", { class: "note" });
    this.readout = element("p", { class: "note readout" });
    left.append(this.spectrumTitle, this.verdict, this.controls.draw);
    this.spectrum = new SpectrumView(left, this.readout);
    this.historyTitle = element("h3", {});
    left.append(this.readout, this.drawn, this.controls.key, this.historyTitle);
    this.historyNote = element("p", { class: "note" });
    this.history = new HistoryView(left, (step) => this.choose(null, step));
    left.append(this.historyNote);
    this.curves = new Curves(right, (step) => this.choose(null, step));
    this.over = over;
    this.side = firsts;
    this.overview = element("div", { class: "overview" }, over, firsts);
    this.panel = element("div", { class: "panel" });
    this.views = {
      prediction: () => new PredictionView(this.panel, { layer: (l) => this.choose(l, null), step: (s) => this.choose(null, s) }),
      causes: () => new CausesView(this.panel, { layer: (l) => this.choose(l, null), step: (s) => this.choose(null, s), frames: (outline, kind) => this.loader.frame(outline, kind), scalars: (outline, tags) => this.source.scalars(outline.name, tags) }),
      compare: () => new CompareView(this.panel, { layer: (l) => this.choose(l, null), step: (s) => this.choose(null, s) }),
      path: () => new PathView(this.panel, (s) => this.choose(null, s)),
      table: () => new TableView(this.panel, (l) => this.choose(l, null)),
      help: () => help(this.panel),
    };
    more.append(this.controls.tabs, this.panel);
    this.body.append(this.overview, this.controls.time, element("div", { class: "pair main" }, left, right), more);
    this.failed = element("p", { class: "empty failed", hidden: true });
    this.root.append(this.controls.bar, this.problem, this.failed, this.body);
  }

  dress() {
    this.dark = this.host.dark();
    this.root.classList.toggle("dark", this.dark);
  }

  /** Select a layer and a measurement by their indices; null keeps one. The state keeps names and steps. */
  choose(layer, step) {
    const { frame } = this.data;
    const changes = {};
    if (layer !== null) changes.layer = frame.names[layer];
    if (step !== null) {
      const at = Math.min(Math.max(step, 0), frame.steps.length - 1);
      changes.step = at === frame.steps.length - 1 ? "" : frame.steps[at];
    }
    this.state.set(changes);
  }

  /** Fetch what the state needs, then draw. A later call overtakes an earlier one. */
  async refresh() {
    const turn = this.turn = (this.turn ?? 0) + 1;
    this.wait(true); // until then a change of the step alone must not draw the layer before
    try {
      const data = await this.loader.load();
      if (turn !== this.turn) return;
      this.data = data;
      this.show(data.problem);
      if (!data.problem) this.redraw();
    } catch (error) {
      if (turn === this.turn) this.show(`This could not be read: ${error.message}`);
    } finally {
      if (turn === this.turn) this.wait(false);
    }
  }

  /** Whether what is shown is about to change: data is on its way. */
  wait(pending) {
    this.pending = pending;
    mark(this.root, "aria-busy", String(pending));
  }

  show(problem) {
    this.failed.hidden = true;
    this.problem.hidden = !problem;
    this.problem.textContent = problem ?? "";
    this.body.hidden = Boolean(problem);
    this.controls.update(this.data);
  }

  /** Draw everything from the state and the data at hand: no fetch. */
  redraw() {
    if (!this.data || this.data.problem) return;
    const now = this.now();
    this.controls.update(this.data, now);
    say(this.failed, failedLater(now.events, now.frame.steps[now.frame.steps.length - 1]));
    this.failed.hidden = this.failed.textContent === "";
    this.drawOverview(now);
    this.drawSpectrum(now);
    this.curves.draw({ ...now, other: now.otherLayer, name: now.name });
    this.drawPanel(now);
  }

  now() {
    const { frame, words, layer, outline, kind, other } = this.data;
    const wanted = this.state.get("step");
    const step = wanted === "" ? frame.steps.length - 1 : frame.nearest(Number(wanted));
    const wished = words.colours.find((c) => colourKey(c) === this.state.get("colour")) ?? words.colours[0];
    const colour = hasColour(frame, wished) ? wished : words.colours.find((c) => hasColour(frame, c)) ?? wished;
    const name = frame.names[layer];
    const at = other ? other.frame.nearest(other.toOther ? other.toOther(frame.steps[step]) : frame.steps[step]) : -1;
    const otherLayer = other ? { frame: other.frame, layer: other.frame.layerIndex(name), step: at, toOther: other.toOther } : null;
    return { ...this.data, frame, words, layer, outline, kind, step, name, colour, otherLayer, dark: this.dark };
  }

  drawOverview(now) {
    const { frame, colour, words, step, layer, events } = now;
    const single = frame.layers.length < 2;
    this.overview.hidden = single;
    if (single) return;
    const held = this.state.get("raw") ? 1 : words.held;
    let cells = frame.cells(colour, held);
    let theirs = now.other ? now.other.frame.cells(colour, held) : null;
    const minus = this.state.get("minus") === "1" && now.other && colour.quantity !== "phase";
    let scaled = cells; // what the colours' range is read from
    if (minus) { [cells, scaled] = this.difference(now, colour, cells, theirs); theirs = null; }
    const order = frame.remember(`order ${this.state.get("order")}`, () => rowOrder(frame.layers, this.state.get("order")));
    say(this.overTitle, `${colourLabel(colour, words)} of ${frame.layers.length} layers${minus ? ", minus the other run" : ""}`);
    mark(this.overTitle, "title", colourMeaning(colour, words));
    this.heat.draw({ frame, cells, scaled, other: theirs, colour, order, layer, step, words, events, minus, values: `${valueName(now.kind, words)}s`, dark: this.dark });
    this.side.hidden = !words.firsts.some((rule) => frame.has(rule.phases ? "phase" : rule.quantity));
    this.overview.classList.toggle("alone", this.side.hidden);
    this.firsts.draw({ frame, words, byRole: this.state.get("order") === "role", layer, dark: this.dark });
  }

  /** Cells of this run minus the other's at the same step, or at the same loss; and those whose size can be trusted. */
  difference({ frame, other }, colour, cells, theirs) {
    const key = `minus ${this.state.get("other")} ${colourKey(colour)} ${this.state.get("align")}`;
    return frame.remember(key, () => minusOther(frame, other, cells, theirs, colour.quantity === "log_kappa"));
  }

  drawSpectrum(now) {
    const { frame, layer, step, name, density, words } = now;
    const shape = shapeAt(frame, layer, step, now.kind, words);
    say(this.spectrumTitle, `${name}, ${shape}, step ${frame.steps[step]}`);
    const held = frame.heldPhases(words.held)[layer * frame.steps.length + step];
    say(this.verdict, verdict(frame, layer, step, words, held).join(" "));
    for (const part of [this.spectrum.chart.box, ...this.historyParts()]) part.hidden = !density;
    say(this.drawn, density ? "" : "This layer has no spectrum to draw: all its values are zero, or it could not be measured.");
    if (!density) return;
    const numbers = numbersOf(frame, layer, step, words);
    const at = nearestStep(density.steps, frame.steps[step]);
    const ghost = this.state.get("ghost");
    const other = now.other?.density ? { density: now.other.density, at: nearestStep(now.other.density.steps, now.otherLayer.frame.steps[now.otherLayer.step]) } : null;
    this.spectrum.draw({ density, at, ghost: ghost === "" ? -1 : nearestStep(density.steps, Number(ghost)), other, numbers, draw: this.state.get("draw"), value: valueName(now.kind, words), title: `spectrum of ${name} at step ${frame.steps[step]}: ${this.verdict.textContent}` });
    say(this.drawn, notes(density, at, frame.steps[step], numbers, now));
    const many = frame.steps.length > 1;
    for (const part of this.historyParts()) part.hidden = !many;
    say(this.historyTitle, `History: ${valueName(now.kind, words)}s upward, steps to the right`);
    const edge = frame.has("bulk_edge") ? "Green: edge of the noise bulk. " : "";
    say(this.historyNote, `${twoSided(density) ? "Magnitudes of both signs." : `${edge}Red: where the fitted tail starts.`} A click moves the step.`);
    if (many) this.history.draw({ density, frame, layer, step, title: `history of the spectrum of ${name}`, dark: this.dark });
  }

  historyParts() {
    return [this.historyTitle, this.history.box, this.historyNote];
  }

  drawPanel(now) {
    const name = this.state.get("view") in this.views ? this.state.get("view") : "prediction";
    if (name !== this.shown) {
      this.panel.replaceChildren();
      this.view = this.views[name]();
      this.shown = name;
    }
    const theirs = now.otherLayer?.frame.steps[now.otherLayer.step];
    const losses = (now.losses ?? []).map((tag) => [tag, lastBefore(now.mine[tag], now.frame.steps[now.step]), lastBefore(now.others[tag], theirs)]);
    this.view.draw({ ...now, other: now.otherLayer, losses });
  }
}

/** The numbers that are drawn over a spectrum, by name. */
function numbersOf(frame, layer, step, words) {
  const names = ["dimension", "gamma", "alpha", "xmin", "n_tail", "bulk_scale", "bulk_edge", "spikes", "zero_fraction", "lambda_max", "lower_exponent", "lower_xmax", "lower_n_tail", "inverse_gamma_shape", "inverse_gamma_scale", "inverse_gamma_end", "inverse_gamma_height"];
  const numbers = Object.fromEntries(names.map((name) => [name, frame.at(name, layer, step)]));
  return { ...numbers, ruledOut: frame.ruledOut(layer, step), lowerRuledOut: frame.status("lower", layer, step).startsWith("ruled out"), missed: frame.missed(layer, step) };
}

/** What a reader must know about the picture, if anything. */
function notes(density, at, step, numbers, now) {
  const said = [];
  if (density.steps[at] !== step) said.push(`Drawn: step ${density.steps[at]}; ${now.frame.measured(now.layer, now.step) ? "no spectrum nearer to" : "this layer was not measured at"} step ${step}${now.frame.measured(now.layer, now.step) ? " was kept" : ""}.`);
  if (density.method === "quadrature") said.push("These are the nodes of a quadrature rule, with their weights: not eigenvalues.");
  if (numbers.dimension < 30 && Number.isNaN(numbers.alpha)) said.push(`Only ${number(numbers.dimension)} eigenvalues: too few to fit a tail.`);
  if (now.other && !now.other.density) said.push("The other run has no such layer.");
  return said.join(" ");
}

const onlyStep = (changed) => [...changed].every((key) => ["step", "ghost", "draw", "colour", "order", "raw", "minus", "view"].includes(key));

function nearestStep(steps, step) {
  let best = 0;
  steps.forEach((s, i) => { if (Math.abs(s - step) < Math.abs(steps[best] - step)) best = i; });
  return best;
}

/** The newest value of a curve at a step: {value, step}, the step where it was measured. */
function lastBefore(points, step) {
  const before = (points ?? []).filter(([s]) => s <= step);
  const [at, value] = before[before.length - 1] ?? [NaN, NaN];
  return { value: value ?? NaN, late: at === step ? "" : ` (step ${at})` };
}
