// The column of the heat map as an HTML table: for copying, and for readers without a picture.

import { element, say } from "./dom.js";
import { number, pretty } from "./format.js";
import { isOfNoise, verdictName } from "./words.js";

const COLUMNS = ["alpha", "alpha_low", "alpha_high", "alpha_noise", "p", "n_tail", "kappa", "alpha_predicted", "htmp_ks", "bulk_p", "spikes", "stable_rank"];

export class TableView {
  constructor(parent, layer) {
    this.selectLayer = layer;
    this.box = element("div", { class: "numbers" });
    parent.append(this.box);
  }

  /** now: {frame, layer, step, words}. The rows stay while only the step or the layer changes. */
  draw(now) {
    const { frame, layer, step, words } = now;
    if (this.drawn !== frame) this.build(frame, words);
    this.drawn = frame;
    say(this.caption, `Step ${frame.steps[step]}`);
    this.rows.forEach((row, l) => {
      row.classList.toggle("selected", l === layer);
      this.cells(now, l).forEach((text, i) => say(row.children[i + 2], text));
    });
  }

  build(frame, words) {
    this.names = COLUMNS.filter((name) => frame.has(name));
    this.phases = frame.has("phase");
    const heads = ["layer", "shape", ...(this.phases ? ["verdict"] : []), ...this.names.map((name) => pretty(words.quantities[name]?.symbol ?? name))];
    const titles = ["", "", ...(this.phases ? [""] : []), ...this.names.map((name) => words.quantities[name]?.meaning ?? "")];
    this.rows = frame.layers.map((about, l) => {
      const numbers = heads.slice(2).map(() => element("td", { class: "n" }));
      return element("tr", { onclick: () => this.selectLayer(l) }, element("td", { text: frame.names[l], title: frame.names[l] }), element("td", { class: "n", text: about.shape.join(" × ") }), ...numbers);
    });
    this.caption = element("caption", {});
    const head = element("tr", {}, ...heads.map((text, i) => element("th", { scope: "col", text, title: titles[i] })));
    this.box.replaceChildren(element("table", {}, this.caption, element("thead", {}, head), element("tbody", {}, ...this.rows)));
  }

  /** The verdict and the numbers of a row, in words. */
  cells({ frame, step, words }, l) {
    const numbers = this.names.map((name) => cell(name, frame.at(name, l, step), frame.status("htmp_status", l, step)));
    return this.phases ? [verdictName(frame, l, step, words), ...numbers] : numbers;
  }
}

/** A number; a kappa of noise in words, a prediction of a law that does not describe in brackets, as in every table. */
export function cell(name, value, status) {
  if (name === "kappa" && isOfNoise(value, status)) return "noise (≥ N)";
  return name === "alpha_predicted" && status === "does_not_describe" && Number.isFinite(value) ? `(${number(value)})` : number(value);
}
