// Kinds without layers: the optimizer's path, kernels, curvature. The numbers that belong to each, through time.

import { Chart, gaps, spread } from "./chart.js";
import { stepTicks } from "./laws.js";
import { element } from "./dom.js";
import { besides, runKeys } from "./curves.js";
import { colourLabel } from "./words.js";

/** What is worth a curve for each kind; quantities that a run lacks are left out. */
const SHOWN = {
  trajectory: ["step_length", "alpha", "lower_exponent", "noise_scale", "noise_tail_index"],
  gradient_noise: ["noise_scale", "noise_tail_index", "alpha"],
  hessian: ["lambda_max", "trace", "negative_mass", "alpha"],
  ggn: ["lambda_max", "trace", "alpha"],
  fisher: ["lambda_max", "trace", "alpha"],
  ntk: ["target_alignment", "alpha", "alpha_predicted", "inverse_gamma_shape", "lambda_max", "effective_rank"],
  conjugate_kernel: ["alpha", "alpha_predicted", "inverse_advantage", "effective_rank", "target_alignment"],
};
const OTHERWISE = ["lambda_max", "alpha", "effective_rank"];

export class PathView {
  constructor(parent, step) {
    this.selectStep = step;
    this.keys = element("div", { class: "legend runs" });
    this.box = element("div", { class: "path" });
    parent.append(this.keys, this.box);
    this.charts = [];
  }

  /** now: {frame, layer, step, kind, words, outline, beside}. */
  draw({ frame, layer, step, kind, words, outline, beside, dark }) {
    const names = (SHOWN[kind] ?? OTHERWISE).filter((name) => frame.told(name, layer).some(Number.isFinite));
    const key = JSON.stringify([kind, names, frame.steps.length < 2]);
    if (key !== this.key) {
      this.key = key;
      this.box.replaceChildren();
      this.charts = names.map((name) => {
        const cell = element("div", {});
        this.box.append(cell);
        cell.append(element("h3", { text: colourLabel({ quantity: name }, words), title: words.quantities[name]?.meaning ?? "" }));
        return [name, new Chart(cell, { height: 130, label: name, onclick: (x) => this.selectStep(Math.round(x)) })];
      });
      if (names.length === 0) this.box.append(element("p", { class: "empty", text: "This spectrum has no numbers to follow at these steps." }));
    }
    const now = [frame, layer, dark, key, beside];
    const same = this.drawn && now.every((part, i) => part === this.drawn[i]);
    this.drawn = now;
    if (!same) this.paint(frame, layer, beside);
    if (!same) this.keys.replaceChildren(...runKeys({ outline, beside }));
    for (const [, chart] of this.charts) chart.at(step);
  }

  paint(frame, layer, beside) {
    for (const [name, chart] of this.charts) {
      const row = frame.told(name, layer);
      const others = besides(beside, frame.names[layer], name, frame);
      chart.draw({
        x: frame.steps.map((_, i) => i), lines: [{ label: name, y: gaps(row), stroke: "violet", width: 2, points: frame.steps.length < 40 }, ...others],
        xRange: [-0.5, frame.steps.length - 0.5], yRange: spread([row, ...others.map((line) => line.y)]), xTicks: (width) => stepTicks(frame.steps, width - 60),
        title: `${name} through time`,
      });
    }
  }
}
