// The column of the heat map as an HTML table: for copying, and for readers without a picture.

import { element, say } from "./dom.js";
import { number, pretty } from "./format.js";
import { isOfNoise, shapeAt, verdictName } from "./words.js";

const COLUMNS = ["alpha", "alpha_low", "alpha_high", "alpha_noise", "p", "n_tail", "kappa", "alpha_predicted", "htmp_ks", "bulk_p", "spikes", "stable_rank"];

export class TableView {
  constructor(parent, layer) {
    this.selectLayer = layer;
    this.box = element("div", { class: "numbers" });
    parent.append(this.box);
  }

  /** now: {frame, layer, step, words, kind}. The rows stay while only the step or the layer changes. */
  draw(now) {
    const { frame, layer, step, words } = now;
    if (this.drawn !== frame) this.build(frame, words);
    this.drawn = frame;
    say(this.caption, `Step ${frame.steps[step]}`);
    this.rows.forEach((row, l) => {
      row.classList.toggle("selected", l === layer);
      this.cells(now, l).forEach((text, i) => say(row.children[i + 1], text));
    });
  }

  build(frame, words) {
    this.names = COLUMNS.filter((name) => frame.has(name));
    this.verdicts = frame.has("phase") || frame.has("verdict");
    const heads = ["layer", "shape", ...(this.verdicts ? ["verdict"] : []), ...this.names.map((name) => pretty(words.quantities[name]?.symbol ?? name))];
    const titles = ["", "", ...(this.verdicts ? [""] : []), ...this.names.map((name) => words.quantities[name]?.meaning ?? "")];
    this.rows = frame.layers.map((_, l) => {
      const numbers = heads.slice(1).map(() => element("td", { class: "n" }));
      return element("tr", { onclick: () => this.selectLayer(l) }, element("td", { text: frame.names[l], title: frame.names[l] }), ...numbers);
    });
    this.caption = element("caption", {});
    const head = element("tr", {}, ...heads.map((text, i) => element("th", { scope: "col", text, title: titles[i] })));
    this.box.replaceChildren(element("table", {}, this.caption, element("thead", {}, head), element("tbody", {}, ...this.rows)));
  }

  /** The shape, the verdict and the numbers of a row, in words. */
  cells({ frame, step, words, kind }, l) {
    const shape = shapeAt(frame, l, step, kind, words);
    const numbers = this.names.map((name) => cell(name, frame.at(name, l, step), frame.status("htmp_status", l, step)));
    return this.verdicts ? [shape, frame.measured(l, step) ? verdictName(frame, l, step, words) : "not measured", ...numbers] : [shape, ...numbers];
  }
}

/** A number; a kappa of noise in words, a prediction of a law that does not describe in brackets, as in every table. */
export function cell(name, value, status) {
  if (name === "kappa" && isOfNoise(value, status)) return "noise (≥ N)";
  return name === "alpha_predicted" && status === "does_not_describe" && Number.isFinite(value) ? `(${number(value)})` : number(value);
}
