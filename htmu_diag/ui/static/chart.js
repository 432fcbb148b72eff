// Line charts on uPlot. Logarithmic axes are log10 on linear coordinates with ticks of our own: uPlot's own logarithmic
// ticks never end for some ranges. Ranges are always given, so that a series without values moves nothing.

import uPlot from "./vendor/uPlot.esm.js";
import { logLabels, toldApart } from "./format.js";
import { decades } from "./laws.js";
import { element, mark, theme } from "./dom.js";

export class Chart {
  /** over, under: painters (u, context, colours) called after and before the lines. onclick: of the place in x. */
  constructor(parent, { height, label, onclick = null, onhover = null }) {
    this.box = element("div", { class: "chart", role: "img", "aria-label": label });
    parent.append(this.box);
    this.height = height;
    this.onclick = onclick;
    this.onhover = onhover;
    this.plot = null;
    this.now = null;
    this.cursor = element("div", { class: "cursor", hidden: true });
    new ResizeObserver(() => this.resize()).observe(this.box);
  }

  /**
   * x: numbers ascending. lines: [{label, y, stroke, dash, width, fill, band, points}]; stroke may name a colour of the theme. xRange, yRange: [low, high].
   * xLog, yLog: the data are decimal logarithms. xTicks: width -> [[place, text], ...] in place of numbers.
   */
  draw(now) {
    this.now = { lines: [], under: null, over: null, xLog: false, yLog: false, xTicks: null, ...now };
    mark(this.box, "aria-label", this.now.title ?? this.box.getAttribute("aria-label"));
    this.update();
  }

  /** A vertical line at a place of x, above the drawing: while it moves nothing is drawn anew. */
  at(place) {
    this.place = place;
    if (!this.plot || place === undefined) return;
    const x = this.plot.valToPos(place, "x");
    this.cursor.hidden = !(x >= 0 && x <= this.plot.bbox.width / (window.devicePixelRatio || 1));
    this.cursor.style.transform = `translateX(${x}px)`;
  }

  update() {
    this.width ??= this.box.clientWidth; // read once, then told by the observer: reading it lays the page out
    const width = this.width;
    this.stale = width < 40; // hidden: drawn when the observer tells of a width
    if (!this.now || this.stale) return;
    const shape = JSON.stringify([this.now.lines.map((s) => [s.label, s.dash, s.width, s.points, s.band]), this.now.yLabel, this.now.xLabel, this.now.xLog, this.now.yLog, this.height]);
    const data = [this.now.x, ...this.now.lines.map((line) => line.y)];
    if (this.plot && this.shape === shape) {
      this.colours = theme(this.box);
      this.plot.setData(data, true);
      return;
    }
    this.plot?.destroy();
    this.shape = shape;
    this.colours = theme(this.box);
    this.plot = new uPlot(this.options(width), data, this.box);
    this.plot.over.append(this.cursor);
    this.listen();
  }

  resize() {
    const width = this.width = this.box.clientWidth;
    if (width < 40 || !this.now) return;
    if (this.plot && this.plot.width !== width) this.plot.setSize({ width, height: this.height });
    if (!this.plot || this.stale) this.update();
  }

  options(width) {
    const now = () => this.now;
    const paint = (which) => (u) => {
      const painter = now()[which];
      if (!painter) return;
      u.ctx.save();
      u.ctx.beginPath();
      u.ctx.rect(u.bbox.left, u.bbox.top, u.bbox.width, u.bbox.height);
      u.ctx.clip();
      painter(u, u.ctx, this.colours);
      u.ctx.restore();
    };
    return {
      width,
      height: this.height,
      legend: { show: false },
      cursor: { y: false, points: { show: false }, drag: { x: false, y: false } },
      scales: { x: { time: false, range: () => now().xRange }, y: { range: () => now().yRange } },
      axes: [this.axis(0, this.now.xLabel, this.now.xLog), this.axis(1, this.now.yLabel, this.now.yLog)],
      series: [{}, ...this.now.lines.map((line, at) => this.line(line, at))],
      bands: this.now.lines.flatMap((line, at) => (line.band ? [{ series: [at + 1, at], fill: () => now().lines[at].fill }] : [])),
      hooks: { drawAxes: [paint("under")], draw: [paint("over"), () => this.at(this.place)], setCursor: [(u) => this.hover(u)] },
    };
  }

  axis(which, label, log) {
    const ink = () => this.colours.faint;
    const line = () => this.colours.line;
    const own = { label, labelSize: 16, labelFont: "11px system-ui", font: "11px system-ui", labelGap: 0, stroke: ink, grid: { stroke: line, width: 1 }, ticks: { stroke: line, width: 1, size: 4 }, gap: 3 };
    const side = { size: which === 0 ? 22 : (u, values) => Math.max(52, 24 + 6.2 * Math.max(0, ...(values ?? []).map((text) => text.length))) };
    if (which === 0 && this.now.xTicks) {
      const ticks = (u) => this.now.xTicks(u.width);
      return { ...own, ...side, splits: (u) => ticks(u).map(([place]) => place), values: (u) => ticks(u).map(([, text]) => text) };
    }
    if (!log) return { ...own, ...side, values: (u, splits) => toldApart(splits) };
    const range = () => (which === 0 ? this.now.xRange : this.now.yRange);
    return {
      ...own, ...side,
      splits: () => logTicks(...range(), which === 0 ? 8 : 6),
      values: (u, splits) => logLabels(splits),
    };
  }

  line(line, at) {
    const now = () => this.now.lines[at] ?? line;
    const stroke = () => this.colours[now().stroke] ?? now().stroke;
    return {
      label: line.label, stroke, width: line.width ?? 1.6, dash: line.dash, spanGaps: line.spanGaps ?? false,
      points: { show: line.points ?? false, size: 5, fill: stroke },
    };
  }

  listen() {
    if (this.onclick) this.plot.over.addEventListener("click", () => this.onclick(this.plot.posToVal(this.plot.cursor.left, "x")));
  }

  hover(u) {
    if (this.onhover) this.onhover(u.cursor.left < 0 ? null : u.posToVal(u.cursor.left, "x"), u.cursor);
  }
}

/** Ticks of a logarithmic axis: whole decades, with 2 and 5 between them where fewer than two lie in range. */
export function logTicks(low, high, most) {
  const whole = decades(low, high, most);
  if (whole.length >= 2 && high - low > 2.5) return whole;
  const ticks = [];
  for (let k = Math.floor(low); k <= Math.ceil(high); k++) for (const m of [1, 2, 5]) ticks.push(k + Math.log10(m));
  return ticks.filter((t) => t >= low && t <= high);
}

/** Where a step lies among measurements, between them too: the common axis of everything that has steps. */
export function placeOf(steps, step) {
  if (steps.length < 2) return step - (steps[0] ?? 0);
  let i = 0;
  while (i < steps.length - 2 && steps[i + 1] <= step) i++;
  return i + (step - steps[i]) / (steps[i + 1] - steps[i]);
}

/** The range of all finite numbers with a margin; [low, high] of a fallback where there are none. */
export function spread(lists, margin = 0.06, fallback = [0, 1]) {
  let [low, high] = [Infinity, -Infinity];
  for (const list of lists) for (const x of list) if (Number.isFinite(x)) { if (x < low) low = x; if (x > high) high = x; }
  if (low > high) return fallback;
  const pad = (high - low) * margin || Math.abs(high) * 0.1 || 0.5;
  return [low - pad, high + pad];
}

/** NaN and infinity as null: uPlot leaves a gap there. */
export const gaps = (values) => Array.from(values, (x) => (Number.isFinite(x) ? x : null));
