// One spectrum at one step, what was fitted to it, the same layer earlier, the same layer of the other run.

import { Chart } from "./chart.js";
import { fromLog, number } from "./format.js";
import { bulkMass, inverseGammaOf, lowerCurve, lowerTailOf, tailCurve } from "./fitted.js";
import { above, mergeWidth, merged, union } from "./laws.js";

const FLOOR = 6; // decades below the largest value

export class SpectrumView {
  constructor(parent, readout) {
    this.readout = readout;
    this.chart = new Chart(parent, { height: 300, label: "density of the eigenvalues", onhover: (x) => this.hover(x) });
  }

  /**
   * now: {density, at, ghost (index or -1), other: {density, at} or null, numbers (name -> value), draw, words, title}.
   * Everything lies on one grid, so that bars, laws, the earlier step and the other run are one picture.
   */
  draw(now) {
    this.now = now;
    const picture = twoSided(now.density) ? signed(now) : positive(now);
    this.picture = picture;
    this.chart.draw(picture);
  }

  hover(x) {
    if (!this.readout) return;
    if (x === null || !this.picture?.read) this.readout.textContent = "";
    else this.readout.textContent = this.picture.read(x);
  }
}

/** Whether there is mass below zero at any step. */
export function twoSided(density) {
  density.twoSided ??= density.rows.negative?.some((m) => m > 0) ?? false;
  return density.twoSided;
}

/** The picture of a spectrum of positive values, for `Chart.draw`. */
export function positive({ density, at, ghost, other, numbers, draw, title, value = "eigenvalue" }) {
  const grid = union([density, other?.density]);
  const here = onGrid(density, "mass", at, grid);
  const law = onGrid(density, "law", at, grid);
  const n = numbers.dimension || 100;
  const height = heights(draw, grid);
  const width = mergeWidth([...here], n);
  const bars = height.bars(here, width);
  const xs = draw === "above" ? grid.low : grid.centre;
  const lines = [
    { label: "HTMP", y: height.curve(law), stroke: numbers.missed ? "#9aa3ad" : "blue", width: 2, dash: numbers.missed ? [4, 4] : [] },
    { label: "Marchenko-Pastur bulk", y: height.curve(bulkMass(numbers, grid)), stroke: "green", width: 1.5, dash: [2, 2] },
    { label: "power law", y: tailCurve(numbers, grid, draw), stroke: "red", width: 2, dash: numbers.ruledOut ? [2, 4] : [8, 4] },
    { label: "lower tail", y: lowerCurve(lowerTailOf(numbers), grid, draw, here), stroke: "violet", width: 2, dash: numbers.lowerRuledOut ? [2, 4] : [8, 4] },
    { label: "inverse Gamma", y: lowerCurve(inverseGammaOf(numbers), grid, draw, here), stroke: "brown", width: 2, dash: [7, 3, 1.5, 3] },
  ];
  const outlines = [];
  if (other) outlines.push({ bars: height.bars(onGrid(other.density, "mass", other.at, grid), width), stroke: "#e08214", dash: [] });
  if (ghost >= 0) outlines.push({ bars: height.bars(onGrid(density, "mass", ghost, grid), width), stroke: "ghost", dash: [3, 3] });
  const shown = [bars, ...outlines.map((o) => o.bars)].flat().filter((b) => b.y !== null);
  const y = shown.map((b) => b.y);
  const [low, high] = y.length ? [Math.min(...y), Math.max(...y)] : [-1, 1];
  return {
    x: xs,
    lines,
    xLog: true,
    yLog: true,
    xRange: [Math.max(grid.first, grid.last - FLOOR * grid.per) / grid.per - 0.05, grid.last / grid.per + 0.05],
    yRange: [low - 0.3, high + 0.5],
    xLabel: value === "eigenvalue" ? "eigenvalue λ" : value,
    yLabel: { density: value === "eigenvalue" ? "density (1/λ)" : "density", above: "share above", decade: "share per decade" }[draw],
    title,
    under: (u, pen, colours) => paintBars(u, pen, bars, low - 0.3, colours.bar),
    over: (u, pen, colours) => {
      for (const o of outlines) paintOutline(u, pen, o.bars, o.stroke === "ghost" ? colours.faint : o.stroke, o.dash);
      paintMarks(u, pen, numbers, colours, here, grid);
      for (const { log } of outliers(density, "outliers", at)) tick(u, pen, log, colours.ink);
    },
    read: (x) => readAt(x, bars, grid, law, value),
  };
}

/** Mass on both sides of zero: log |x| to the left and to the right of a gap. */
export function signed({ density, at, other, numbers, title }) {
  const grid = union([density, other?.density]);
  const [plus, negative] = ["mass", "negative"].map((row) => onGrid(density, row, at, grid));
  const reach = grid.last - Math.max(grid.first, grid.last - FLOOR * grid.per);
  const place = (log) => log - (grid.last - reach) / grid.per + 0.3; // distance from zero on the drawn axis
  const side = (mass, sign) => merged(mass, grid.first, 3).filter((bar) => bar.mass > 0).map((bar) => {
    const [a, b] = [(grid.first + bar.from) / grid.per, (grid.first + bar.to) / grid.per].map((x) => sign * Math.max(place(x), 0.3));
    return { x0: Math.min(a, b), x1: Math.max(a, b), y: Math.log10(bar.mass / ((bar.to - bar.from) / grid.per)), sign };
  });
  const bars = [...side(plus, 1), ...side(negative, -1)];
  const theirs = other ? [...side(onGrid(other.density, "mass", other.at, grid), 1), ...side(onGrid(other.density, "negative", other.at, grid), -1)] : [];
  const y = [...bars, ...theirs].map((b) => b.y);
  const [low, high] = y.length ? [Math.min(...y), Math.max(...y)] : [-1, 1];
  const end = place(grid.last / grid.per) + 0.1;
  const ticks = [];
  for (let k = Math.ceil((grid.last - reach) / grid.per); k <= Math.floor(grid.last / grid.per); k++) {
    ticks.push([place(k), fromLog(k)]);
    ticks.unshift([-place(k), `−${fromLog(k)}`]);
  }
  const known = [...outliers(density, "outliers", at), ...outliers(density, "negative_outliers", at, -1)].map(({ log, sign }) => sign * Math.max(place(log), 0.3));
  const largest = known.length === 0 && numbers.lambda_max > 0 ? [place(Math.log10(numbers.lambda_max))] : known;
  return {
    x: [-end, end],
    lines: [{ label: "none", y: [null, null], stroke: "#888" }],
    yLog: true,
    xRange: [-end, end],
    yRange: [low - 0.4, high + 0.4],
    xTicks: () => (ticks.length > 12 ? ticks.filter((_, i) => i % Math.ceil(ticks.length / 12) === 0) : ticks),
    xLabel: "negative eigenvalues | positive eigenvalues",
    yLabel: "share per decade",
    title,
    under: (u, pen, colours) => {
      paintBars(u, pen, bars.filter((b) => b.sign > 0), low - 0.4, colours.bar);
      paintBars(u, pen, bars.filter((b) => b.sign < 0), low - 0.4, colours.red);
      vertical(u, pen, 0, colours.faint, []);
    },
    over: (u, pen, colours) => {
      for (const bar of theirs) paintOutline(u, pen, [bar], "#e08214", []);
      for (const x of largest) tick(u, pen, x, colours.ink);
    },
    read: null,
  };
}

/** One row of a density at one step on a grid; 0 beyond its own bins, null where it has no such row. */
export function onGrid(density, row, at, grid) {
  const out = new Float64Array(grid.count);
  const source = density.rows[row];
  if (!source || at < 0) return row === "mass" || row === "negative" ? out : out.fill(NaN);
  out.set(source.subarray(at * density.bins, (at + 1) * density.bins), density.first - grid.first);
  return out;
}

/** How mass becomes a drawn height (log10): of merged bars, and of a law bin by bin. */
function heights(draw, grid) {
  const log = (y) => (y > 0 ? Math.log10(y) : null);
  if (draw === "above") {
    const stairs = (mass) => Array.from(above(mass), (y, i) => ({ x0: grid.low[i], x1: (grid.first + i + 1) / grid.per, y: log(y) }));
    return { bars: (mass) => stairs(mass).filter((bar) => bar.y !== null), curve: (mass) => Array.from(Number.isNaN(mass[0]) ? mass : above(mass), log) };
  }
  const size = (from, to) => (draw === "decade" ? (to - from) / grid.per : grid.edges[to] - grid.edges[from]);
  return {
    bars: (mass, width) => merged(mass, grid.first, width).filter((bar) => bar.mass > 0).map((bar) => ({
      x0: (grid.first + bar.from) / grid.per, x1: (grid.first + bar.to) / grid.per, y: log(bar.mass / size(bar.from, bar.to)),
    })),
    curve: (mass) => Array.from(mass, (m, i) => log(m / size(i, i + 1))),
  };
}

/** The bins with eigenvalues that a quadrature rule knows one by one, beyond all others: [{log, sign}]; of old runs none. */
function outliers(density, row, at, sign = 1) {
  const mass = density.rows[row]?.subarray(at * density.bins, (at + 1) * density.bins) ?? [];
  return [...mass].flatMap((m, i) => (m > 0 ? [{ log: (density.first + i + 0.5) / density.per, sign }] : []));
}

function readAt(x, bars, grid, law, value) {
  const bar = bars.find((b) => x >= b.x0 && x < b.x1);
  const i = Math.floor(x * grid.per) - grid.first;
  const fitted = law[i] > 0 ? `; HTMP gives this bin ${number(law[i])} of the mass` : "";
  return `${value === "eigenvalue" ? "λ" : value} ${fromLog(x)}${bar ? `: ${number(10 ** bar.y)}` : `: no ${value}`}${fitted}`;
}

function paintBars(u, pen, bars, bottom, color) {
  pen.fillStyle = color;
  const base = u.valToPos(bottom, "y", true);
  for (const bar of bars) {
    const [a, b, top] = [u.valToPos(bar.x0, "x", true), u.valToPos(bar.x1, "x", true), u.valToPos(bar.y, "y", true)];
    pen.fillRect(a, top, Math.max(b - a - 0.5, 1), base - top);
  }
}

function paintOutline(u, pen, bars, color, dash) {
  pen.strokeStyle = color;
  pen.lineWidth = 1.5 * (window.devicePixelRatio || 1);
  pen.setLineDash(dash);
  pen.beginPath();
  let end = null;
  for (const bar of bars) {
    const [a, b, y] = [u.valToPos(bar.x0, "x", true), u.valToPos(bar.x1, "x", true), u.valToPos(bar.y, "y", true)];
    if (end !== null && Math.abs(end - a) < 1) pen.lineTo(a, y);
    else pen.moveTo(a, y);
    pen.lineTo(b, y);
    end = b;
  }
  pen.stroke();
  pen.setLineDash([]);
}

/** Bulk edge, xmin, and the bins beyond the edge as ticks: the spikes. */
function paintMarks(u, pen, numbers, colours, mass, grid) {
  if (numbers.bulk_edge > 0) vertical(u, pen, Math.log10(numbers.bulk_edge), colours.green, [2, 3]);
  if (numbers.xmin > 0) vertical(u, pen, Math.log10(numbers.xmin), colours.red, [1, 4]);
  if (numbers.lower_xmax > 0) vertical(u, pen, Math.log10(numbers.lower_xmax), colours.violet, [1, 4]);
  if (!(numbers.spikes > 0)) return;
  let left = numbers.spikes;
  for (let i = grid.count - 1; i >= 0 && left > 0; i--) {
    if (mass[i] > 0) {
      tick(u, pen, grid.centre[i], colours.ink);
      left -= Math.round(mass[i] * numbers.dimension);
    }
  }
}

function vertical(u, pen, x, color, dash) {
  const at = u.valToPos(x, "x", true);
  pen.strokeStyle = color;
  pen.lineWidth = window.devicePixelRatio || 1;
  pen.setLineDash(dash);
  pen.beginPath();
  pen.moveTo(at, u.bbox.top);
  pen.lineTo(at, u.bbox.top + u.bbox.height);
  pen.stroke();
  pen.setLineDash([]);
}

function tick(u, pen, x, color) {
  const at = u.valToPos(x, "x", true);
  const [bottom, size] = [u.bbox.top + u.bbox.height, 6 * (window.devicePixelRatio || 1)];
  pen.fillStyle = color;
  pen.beginPath();
  pen.moveTo(at, bottom - size);
  pen.lineTo(at - size / 2, bottom);
  pen.lineTo(at + size / 2, bottom);
  pen.fill();
}
