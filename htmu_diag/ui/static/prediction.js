// "Does HTMP predict what I measure?": measured against predicted exponents, with the answer that noise would give.

import { Chart, gaps } from "./chart.js";
import { stepTicks } from "./laws.js";
import { layerColor } from "./colors.js";
import { element, say } from "./dom.js";
import { median } from "./frame.js";
import { number, pretty } from "./format.js";
import { Scatter } from "./scatter.js";
import { predictionSentence, predictionShares } from "./words.js";

const [LOW, HIGH] = [1.2, 60]; // of both axes; points beyond are drawn at the end
const GREY = "#9aa3ad"; // of what a law says that does not describe
const axis = (alpha) => Math.log10(Math.max(alpha, 0.951) - 0.95);
const TICKS = [1.5, 2, 3, 5, 10, 20, 50].map((alpha) => [axis(alpha), String(alpha)]);

export class PredictionView {
  constructor(parent, { layer, step }) {
    this.sentence = element("p", { class: "said" });
    const [left, right] = [element("div", {}), element("div", {})];
    this.pictures = element("div", { class: "pair" }, left, right);
    parent.append(this.sentence, this.pictures);
    this.scatter = new Scatter(left, (i) => layer(this.shown[i]));
    this.note = element("p", { class: "note", text: "Bars: 95 % intervals. Cross: what noise of this shape gives. Hollow: the power law is ruled out. Grey: HTMP does not describe the spectrum. Triangle: beyond the axes. Colour: depth, dark first." });
    left.append(this.note);
    this.shares = new Chart(right, { height: 220, label: "share of layers whose interval holds the prediction", onclick: (x) => step(Math.round(x)) });
    right.append(element("p", { class: "note", text: "Blue: share of layers whose interval holds the prediction. Dots: the same for noise, the baseline. Red: share for which the inverse law is likelier." }));
  }

  /** now: {frame, layer, step, words}. */
  draw(now) {
    const { frame, layer, step, words } = now;
    const all = frame.remember("prediction shares", () => frame.steps.map((_, s) => predictionShares(frame, s)));
    const none = all.every((one) => one.layers + one.missed + one.compared === 0);
    this.pictures.hidden = none;
    say(this.sentence, none ? "These spectra have no predicted exponent: a prediction is one of weights and of kernels. What there is of them: \"Curves of the kind\"." : predictionSentence(all[step], median));
    const get = (name, l) => frame.at(name, l, step);
    this.shown = frame.layers.map((_, l) => l).filter((l) => Number.isFinite(get("alpha", l)) && Number.isFinite(get("alpha_predicted", l)));
    const symbol = (name) => pretty(words.quantities[name]?.symbol ?? name);
    this.scatter.draw({
      points: this.shown.map((l) => ({
        x: axis(get("alpha_predicted", l)), y: axis(get("alpha", l)), x0: axis(get("alpha_predicted_low", l)), x1: axis(get("alpha_predicted_high", l)),
        y0: axis(get("alpha_low", l)), y1: axis(get("alpha_high", l)), cross: axis(get("alpha_noise", l)), color: frame.missed(l, step) ? GREY : layerColor(l, frame.layers.length, now.dark),
        hollow: frame.ruledOut(l, step),
      })),
      xRange: [axis(LOW), axis(HIGH)], yRange: [axis(LOW), axis(HIGH)], xTicks: TICKS, yTicks: TICKS, diagonal: true,
      xLabel: `predicted: ${symbol("alpha_predicted")}`, yLabel: `measured: ${symbol("alpha")}`, selected: this.shown.indexOf(layer),
      title: "measured against predicted exponents, one point a layer",
      said: (i) => `${frame.names[this.shown[i]]}: measured ${number(get("alpha", this.shown[i]))}, predicted ${number(get("alpha_predicted", this.shown[i]))}, noise ${number(get("alpha_noise", this.shown[i]))}${frame.ruledOut(this.shown[i], step) ? `; tail ${frame.tail(this.shown[i], step)}` : ""}${frame.missed(this.shown[i], step) ? "; HTMP does not describe the spectrum" : ""}`,
    });
    if (this.drawn !== frame || this.dark !== now.dark) this.drawShares(frame, all);
    [this.drawn, this.dark] = [frame, now.dark];
    this.shares.at(step);
  }

  drawShares(frame, all) {
    const share = (key, of) => gaps(all.map((one) => (one[of] > 0 ? one[key] / one[of] : NaN)));
    const points = frame.steps.length < 3;
    this.shares.draw({
      x: frame.steps.map((_, i) => i), xRange: [-0.5, frame.steps.length - 0.5], yRange: [-0.03, 1.03], yLabel: "share of layers",
      xTicks: (width) => stepTicks(frame.steps, width - 60),
      lines: [
        { label: "inverse likelier", y: share("inverse", "compared"), stroke: "red", dash: [7, 3], points },
        { label: "prediction", y: share("predicted", "layers"), stroke: "blue", width: 3, points },
        { label: "noise", y: share("noise", "layers"), stroke: "ink", width: 1.6, dash: [2, 5], points },
      ],
    });
  }
}
