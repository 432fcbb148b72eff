// What was fitted to a spectrum, as curves on its grid: made from the numbers of the fits.

import { inverseGammaPart, lowerTail, marchenkoPastur, pareto, paretoAbove } from "./laws.js";

const PARTS = 8; // of a bin, where a density is summed over it

/** Mass of the Marchenko-Pastur bulk in each bin, scaled to the share of the spectrum that is bulk. */
export function bulkMass({ bulk_scale: scale, gamma, spikes, dimension, zero_fraction: zero }, grid) {
  const share = 1 - (zero || 0) - (spikes || 0) / (dimension || 1);
  if (!(scale > 0)) return new Float64Array(grid.count).fill(NaN);
  return Float64Array.from(grid.centre, (log, i) => share * marchenkoPastur(10 ** log, gamma, scale) * (grid.edges[i + 1] - grid.edges[i]));
}

/** The fitted power law from xmin on, scaled to the share of the spectrum in the tail. */
export function tailCurve({ alpha, xmin, n_tail: tail, dimension }, grid, draw) {
  const share = tail / dimension;
  if (!(alpha > 1 && xmin > 0 && share > 0)) return new Array(grid.count).fill(null);
  const xs = draw === "above" ? grid.low : grid.centre;
  return xs.map((log) => {
    const x = 10 ** log;
    if (x < xmin) return null;
    if (draw === "above") return Math.log10(share * paretoAbove(x, alpha, xmin));
    return Math.log10(share * pareto(x, alpha, xmin) * (draw === "decade" ? x * Math.LN10 : 1));
  });
}

/** The fitted lower tail as {density, end}, scaled to the share of the spectrum in it; null without one. */
export function lowerTailOf({ lower_exponent: exponent, lower_xmax: end, lower_n_tail: tail, dimension }) {
  const share = tail / dimension;
  return exponent > -1 && end > 0 && share > 0 ? { end, density: (x) => share * lowerTail(x, exponent, end) } : null;
}

/** The inverse Gamma law of the lowest values, likewise. */
export function inverseGammaOf({ inverse_gamma_shape: shape, inverse_gamma_scale: scale, inverse_gamma_end: end, inverse_gamma_height: height }) {
  return scale > 0 && end > 0 && height > 0 ? { end, density: (x) => inverseGammaPart(x, { shape, scale, end, height }) } : null;
}

/** A law of the lowest values up to its end, as it is drawn; above: the shares above x, from that of the whole spectrum down. */
export function lowerCurve(law, grid, draw, mass) {
  if (!law) return new Array(grid.count).fill(null);
  const log = (y) => (y > 0 ? Math.log10(y) : null);
  if (draw !== "above") return grid.centre.map((at) => (10 ** at > law.end ? null : log(law.density(10 ** at) * (draw === "decade" ? 10 ** at * Math.LN10 : 1))));
  let left = mass.reduce((sum, m) => sum + m, 0);
  return grid.low.map((at, i) => {
    if (10 ** at > law.end) return null;
    const here = left;
    const width = (grid.edges[i + 1] - grid.edges[i]) / PARTS;
    for (let part = 0.5; part < PARTS; part++) left -= width * law.density(grid.edges[i] + part * width);
    return log(here);
  });
}
