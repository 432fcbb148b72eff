// "Left noise at step 40, first spike at 20": the sentence that a paper needs, per layer or per role, sortable.

import { median } from "./frame.js";
import { element } from "./dom.js";
import { shortened } from "./format.js";

export class Firsts {
  /** select(layer index): a click on a row. */
  constructor(parent, select) {
    this.select = select;
    this.sorted = 0;
    this.box = element("div", { class: "firsts" });
    parent.append(this.box);
  }

  /** now: {frame, words, byRole, layer}. */
  draw(now) {
    const before = this.now;
    this.now = now;
    const same = before && before.frame === now.frame && before.byRole === now.byRole && before.dark === now.dark;
    if (!same) this.paint();
    else if (before.layer !== now.layer) this.mark();
  }

  paint() {
    const { frame, words, byRole } = this.now;
    const rules = words.firsts.filter((rule) => frame.has(quantityOf(rule)));
    const firsts = rules.map((rule) => frame.firsts(rule, words.held).map((i, l) => (i >= 0 ? frame.steps[i] : frame.row(quantityOf(rule), l).every(Number.isNaN) ? NaN : Infinity)));
    this.sorted = Math.min(this.sorted, rules.length);
    const rows = byRole ? perRole(frame, firsts) : frame.names.map((name, l) => ({ name, layer: l, at: firsts.map((f) => f[l]) }));
    if (this.sorted > 0) rows.sort((a, b) => last(a.at[this.sorted - 1]) - last(b.at[this.sorted - 1]));
    const heads = [byRole ? "role (median)" : "layer", ...rules.map((rule) => rule.name)];
    const titles = ["", ...rules.map((rule) => rule.meaning)];
    const head = element("tr", {}, ...heads.map((text, i) => element("th", { scope: "col", title: titles[i], "aria-sort": this.sorted === i ? "ascending" : "none" }, element("button", { text: this.sorted === i ? `${text} ▾` : text, onclick: () => { this.sorted = i; this.paint(); } }))));
    this.rows = rows.map((row) => element("tr", { onclick: () => this.select(row.layer) }, element("td", { text: shortened(row.name, 26), title: row.name }), ...row.at.map((step) => element("td", { class: "n", text: Number.isFinite(step) ? String(step) : Number.isNaN(step) ? "–" : "never" }))));
    this.order = rows;
    this.box.replaceChildren(element("table", {}, element("thead", {}, head), element("tbody", {}, ...this.rows)));
    this.mark();
  }

  mark() {
    this.rows.forEach((row, i) => row.classList.toggle("selected", this.order[i].layer === this.now.layer));
  }
}

const quantityOf = (rule) => (rule.phases ? "phase" : rule.quantity);

/** For sorting: "never" after every step, what has no number after that. */
const last = (step) => (Number.isNaN(step) ? Number.MAX_VALUE : Math.min(step, 1e300));

function perRole(frame, firsts) {
  const roles = new Map();
  frame.layers.forEach((layer, l) => roles.set(layer.role, [...(roles.get(layer.role) ?? []), l]));
  return [...roles].map(([name, layers]) => ({ name, layer: layers[0], at: firsts.map((f) => late(layers.map((l) => f[l]))) }));
}

/** Median with "never" as later than everything. */
function late(steps) {
  const sorted = steps.filter((step) => !Number.isNaN(step)).sort((a, b) => a - b);
  if (sorted.length === 0) return NaN;
  const middle = sorted[(sorted.length - 1) >> 1];
  return Number.isFinite(middle) && sorted.length % 2 === 0 && Number.isFinite(sorted[sorted.length >> 1]) ? median([middle, sorted[sorted.length >> 1]]) : middle;
}
