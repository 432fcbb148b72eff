// The "?" panel: every quantity's symbol, unit and meaning, and every phase, as the table of quantities gives them.

import { element } from "./dom.js";
import { pretty } from "./format.js";

export function help(parent) {
  return {
    draw({ words }) {
      if (parent.querySelector(".help")) return;
      const rows = Object.values(words.quantities).map((q) => element("tr", {}, element("td", { text: q.name }), element("td", { text: pretty(q.symbol) }), element("td", { text: q.unit === "1" ? "" : q.unit }), element("td", { text: q.meaning })));
      const phases = words.phases.map((phase) => element("li", {}, element("b", { text: `${phase.letter}  ${phase.name}` }), ` ${phase.meaning}`));
      const rules = words.firsts.map((rule) => element("li", { text: `${rule.name}: ${rule.meaning}` }));
      const head = element("tr", {}, ...["name", "symbol", "unit", "meaning"].map((text) => element("th", { scope: "col", text })));
      parent.append(element("div", { class: "help" },
        element("h3", { text: "Phases" }), element("ul", {}, ...phases),
        element("p", { text: `A change of phase counts once it has lasted ${words.held} measurements.` }),
        element("h3", { text: "When" }), element("ul", {}, ...rules),
        element("h3", { text: "Quantities" }), element("table", {}, element("thead", {}, head), element("tbody", {}, ...rows))));
    },
  };
}
