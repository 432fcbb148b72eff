// The column of the heat map as an HTML table: for copying, and for readers without a picture.

import { element } from "./dom.js";
import { number, pretty } from "./format.js";
import { NOISE, phaseName } from "./words.js";

const COLUMNS = ["alpha", "alpha_low", "alpha_high", "alpha_noise", "p", "n_tail", "kappa", "alpha_predicted", "htmp_ks", "bulk_p", "spikes", "stable_rank"];

export class TableView {
  constructor(parent, layer) {
    this.selectLayer = layer;
    this.box = element("div", { class: "numbers" });
    parent.append(this.box);
  }

  /** now: {frame, layer, step, words}. */
  draw({ frame, layer, step, words }) {
    const names = COLUMNS.filter((name) => frame.has(name));
    const phases = frame.has("phase");
    const heads = ["layer", "shape", ...(phases ? ["verdict"] : []), ...names.map((name) => pretty(words.quantities[name]?.symbol ?? name))];
    const titles = ["", "", ...(phases ? [""] : []), ...names.map((name) => words.quantities[name]?.meaning ?? "")];
    const rows = frame.layers.map((about, l) => {
      const cells = [frame.names[l], about.shape.join(" × "), ...(phases ? [phaseName(frame.at("phase", l, step), words)] : []), ...names.map((name) => cell(name, frame.at(name, l, step), frame.missed(l, step)))];
      const row = element("tr", { onclick: () => this.selectLayer(l) }, ...cells.map((text, i) => element("td", { class: i > 0 ? "n" : "", text })));
      row.classList.toggle("selected", l === layer);
      return row;
    });
    const head = element("tr", {}, ...heads.map((text, i) => element("th", { scope: "col", text, title: titles[i] })));
    this.box.replaceChildren(element("table", {}, element("caption", { text: `Step ${frame.steps[step]}` }), element("thead", {}, head), element("tbody", {}, ...rows)));
  }
}

/** A number; a kappa of noise in words, a prediction of a law that does not describe in brackets, as in every table. */
export function cell(name, value, missed) {
  if (name === "kappa" && value >= NOISE) return "noise (≥ N)";
  return name === "alpha_predicted" && missed && Number.isFinite(value) ? `(${number(value)})` : number(value);
}
