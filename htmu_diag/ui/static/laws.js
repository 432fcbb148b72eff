// Densities on the grid of bins 10^(k / per), and the closed forms that are drawn over them.

/** Edges of bins, ascending: count + 1 numbers from place `first` on. */
export function edges(first, count, per) {
  return Float64Array.from({ length: count + 1 }, (_, i) => 10 ** ((first + i) / per));
}

/** The part of the whole grid that all densities need: places, edges and centres in log10. */
export function union(densities) {
  const known = densities.filter(Boolean);
  const first = Math.min(...known.map((d) => d.first));
  const last = Math.max(...known.map((d) => d.first + d.bins));
  const per = known[0].per;
  const count = last - first;
  return { first, last, per, count, low: Array.from({ length: count }, (_, i) => (first + i) / per), centre: Array.from({ length: count }, (_, i) => (first + i + 0.5) / per), edges: edges(first, count, per) };
}

/** Density of the Marchenko-Pastur law: gamma in (0, 1], scale its mean. */
export function marchenkoPastur(x, gamma, scale) {
  const root = Math.sqrt(gamma);
  const [low, high] = [scale * (1 - root) ** 2, scale * (1 + root) ** 2];
  if (!(x > low && x < high)) return 0;
  return Math.sqrt((high - x) * (x - low)) / (2 * Math.PI * scale * gamma * x);
}

/** Density of a power law from xmin on. */
export function pareto(x, alpha, xmin) {
  return x < xmin ? 0 : ((alpha - 1) / xmin) * (x / xmin) ** -alpha;
}

/** Share of a power law above x. */
export function paretoAbove(x, alpha, xmin) {
  return x < xmin ? 1 : (x / xmin) ** (1 - alpha);
}

/** Density of a power law of a lower tail, x^exponent up to xmax, of mass 1. */
export function lowerTail(x, exponent, xmax) {
  return x > xmax || !(exponent > -1) ? 0 : ((exponent + 1) / xmax) * (x / xmax) ** exponent;
}

/** Density of the lowest part of an inverse Gamma law, which has a known height at its end. */
export function inverseGammaPart(x, { shape, scale, end, height }) {
  return x > end ? 0 : height * Math.exp(-(shape + 1) * Math.log(x / end) - scale * (1 / x - 1 / end));
}

/** How many whole bins to merge so that about 1.5 sqrt(n) bars, 12 to 60, cover the bins that hold mass. */
export function mergeWidth(mass, n) {
  let [low, high] = [mass.findIndex((m) => m > 0), -1];
  mass.forEach((m, i) => { if (m > 0) high = i; });
  const wanted = Math.min(Math.max(1.5 * Math.sqrt(n), 12), 60);
  return low < 0 ? 1 : Math.max(1, Math.round((high - low + 1) / wanted));
}

/** Bins merged in groups that are the same for every step and run: [{from, to, mass}], `to` not included. */
export function merged(mass, first, width) {
  const bars = [];
  for (let start = -(((first % width) + width) % width); start < mass.length; start += width) {
    const [from, to] = [Math.max(start, 0), Math.min(start + width, mass.length)];
    let sum = 0;
    for (let i = from; i < to; i++) sum += mass[i];
    bars.push({ from, to, mass: sum });
  }
  return bars;
}

/** Share of the spectrum above the lower edge of each bin. */
export function above(mass) {
  const out = new Float64Array(mass.length);
  let sum = 0;
  for (let i = mass.length - 1; i >= 0; i--) out[i] = sum += mass[i];
  return out;
}

/** Whole powers of ten in [low, high] of a logarithmic axis drawn on linear coordinates, at most `most` of them. */
export function decades(low, high, most = 8) {
  const [from, to] = [Math.ceil(low - 1e-9), Math.floor(high + 1e-9)];
  const every = Math.max(1, Math.ceil((to - from + 1) / most));
  const ticks = [];
  for (let k = Math.ceil(from / every) * every; k <= to; k += every) ticks.push(k);
  return ticks;
}

/** A few round numbers in [low, high]. */
export function roundTicks(low, high, most = 4) {
  const raw = (high - low) / most;
  const size = 10 ** Math.floor(Math.log10(raw));
  const by = size * ([1, 2, 5, 10].find((m) => m * size >= raw) ?? 10);
  const ticks = [];
  for (let k = Math.ceil(low / by); k * by <= high; k++) ticks.push(Number((k * by).toPrecision(12)));
  return ticks;
}

/** Ticks at measurements with their true steps: each, or every second, fifth, tenth, ..., about `room` pixels apart. */
export function stepTicks(steps, width, room = 70) {
  const apart = steps.length / Math.max(2, Math.floor(width / room));
  const size = 10 ** Math.max(0, Math.floor(Math.log10(apart)));
  const every = size * [1, 2, 5, 10].find((m) => m * size >= apart);
  return steps.flatMap((step, i) => (i % every === 0 ? [[i, String(step)]] : []));
}
