// Sentences made from numbers: the same numbers that are drawn.

import { count, number, pretty } from "./format.js";

/** From here on a kappa stands for that of noise, N or more, which has no value of its own. */
export const NOISE = 1e4;

/** Whether a kappa is that of noise: N or more, whatever its number. */
export const isOfNoise = (kappa, status) => kappa >= NOISE || status === "noise" || (status === "at_boundary" && kappa > 1);

/** Whether the kappa of a cell (its place in `frame.of`) is that of noise. */
export const noiseAt = (frame, place) => isOfNoise(frame.of("kappa")[place], frame.codes.htmp_status?.[frame.of("htmp_status")[place]]);

/** What one layer's spectrum at one step says: a list of sentences, the first one the verdict. */
export function verdict(frame, layer, step, words, held = null) {
  if (!frame.measured(layer, step)) return ["Not measured at this step."];
  const get = (name) => frame.at(name, layer, step);
  const said = [phase(frame, layer, step, words, held), bulk(get, words), tail(get, frame.tail(layer, step), words), lower(get, frame.status("lower", layer, step), words), nearZero(get), single(get), repulsion(get, frame.status("htmp_status", layer, step)), cause(get, words)];
  return said.filter((sentence) => sentence !== "");
}

/** The verdict of a cell, as every table says it: its phase (another one where it is held), or what it is without one. */
export function verdictName(frame, layer, step, words, index = frame.at("phase", layer, step)) {
  return words.phases[index]?.name ?? (frame.status("verdict", layer, step) || "no verdict");
}

/** What failed after the last measurement that has a column, in a sentence; empty where nothing did. */
export function failedLater(events, last) {
  const later = events.filter(([step]) => step > last);
  if (later.length === 0) return "";
  const steps = [...new Set(later.map(([step]) => step))].sort((a, b) => a - b);
  const span = steps.length > 1 ? `steps ${steps[0]} to ${steps[steps.length - 1]} (${steps.length} of them)` : `step ${steps[0]}`;
  return `Not shown, since nothing could be measured: ${span}. The last reason: ${later[later.length - 1][1]}`;
}

/** What the values of a kind are: "eigenvalue", or what the package says of the kind. */
export const valueName = (kind, words) => words.values[kind] ?? "eigenvalue";

/** A layer's shape at a step: values in the order of time are those so far, and the tables tell how many they were at first. */
export function shapeAt(frame, layer, step, kind, words) {
  const [rows, ...others] = frame.layers[layer].shape;
  const soFar = kind in words.values ? frame.at("dimension", layer, step) : NaN;
  return [Number.isNaN(soFar) ? rows : soFar, ...others].join(" × ");
}

/** Whether a run has the numbers that a colour needs. */
export const hasColour = (frame, colour) => frame.has(colour.quantity) && (!colour.minus || frame.has(colour.minus));

/** The name of a colour in the address. */
export const colourKey = (colour) => (colour.minus ? `${colour.quantity}-${colour.minus}` : colour.quantity);

/** The label of a colour of the overview: symbols from the table of quantities. */
export function colourLabel(colour, words) {
  const [one, other] = [words.quantities[colour.quantity], words.quantities[colour.minus]];
  const name = colour.quantity.replaceAll("_", " ");
  if (!one) return name;
  if (other) return `${pretty(one.symbol)} − ${pretty(other.symbol)}`;
  const symbol = pretty(one.symbol);
  return symbol === name || colour.quantity === "phase" ? name : `${name} (${symbol})`;
}

/** What a colour means, in a sentence. */
export function colourMeaning(colour, words) {
  const rows = [words.quantities[colour.quantity], words.quantities[colour.minus]].filter(Boolean);
  return rows.map((row) => `${pretty(row.symbol)}: ${row.meaning}`).join(" Minus ");
}

/** One quantity's label for an axis: symbol and unit. */
export function axisLabel(name, words) {
  const row = words.quantities[name];
  if (!row) return name;
  return row.unit === "1" || row.unit === "decades" || row.unit === "index" ? pretty(row.symbol) : `${pretty(row.symbol)} [${row.unit}]`;
}

/** How well predictions did at one step: counts over the layers whose alpha has an interval and that the law describes. */
export function predictionShares(frame, step) {
  const out = { layers: 0, predicted: 0, noise: 0, compared: 0, inverse: 0, missed: 0, differences: [] };
  frame.layers.forEach((_, l) => {
    const get = (name) => frame.at(name, l, step);
    const inside = (x) => x >= get("alpha_low") && x <= get("alpha_high");
    if (Number.isFinite(get("inverse_advantage"))) {
      out.compared += 1;
      out.inverse += get("inverse_advantage") > 0;
    }
    if (![get("alpha"), get("alpha_low"), get("alpha_high"), get("alpha_predicted")].every(Number.isFinite)) return;
    if (frame.missed(l, step)) {
      out.missed += 1; // a law that does not describe a spectrum predicts nothing of it
      return;
    }
    out.layers += 1;
    out.predicted += inside(get("alpha_predicted"));
    out.noise += inside(get("alpha_noise"));
    out.differences.push(Math.abs(get("alpha") - get("alpha_predicted")));
  });
  return out;
}

/** The sentence of the prediction view. */
export function predictionSentence(shares, median) {
  const missed = shares.missed ? ` HTMP does not describe the spectra of ${shares.missed}${shares.layers ? " more" : ""} (grey): a prediction from it means nothing there, so they are not counted.` : "";
  if (shares.layers === 0) return missed ? `No layer is left to compare.${missed}` : "No layer has both a measured and a predicted exponent at this step.";
  const inverse = shares.compared ? `; the inverse law is likelier for ${shares.inverse} of ${shares.compared}` : "";
  const single = shares.layers === 1;
  const noise = `the value of pure noise ${single ? (shares.noise ? "lies inside" : "does not lie inside") : `lies inside for ${shares.noise} of them`}`;
  const said = `${shares.predicted} of ${count(shares.layers, "layer")} ${single ? "has the prediction inside its" : "have the prediction inside their"} 95 % interval; ${noise}; median difference ${number(median(shares.differences))}${inverse}.`;
  return `${said}${shares.noise >= shares.predicted ? " The prediction does no better than noise here." : ""}${missed}`;
}

function phase(frame, layer, step, words, held) {
  const now = frame.at("phase", layer, step);
  const name = verdictName(frame, layer, step, words);
  if (name in words.equal) return `${name[0].toUpperCase()}${name.slice(1)}: ${words.equal[name]}.`;
  if (Number.isNaN(now)) return ""; // what is said of the tail is the verdict
  const before = held !== null && held !== now && !Number.isNaN(held) ? ` (held: ${words.phases[held].name}, until the change lasts)` : "";
  return `${name[0].toUpperCase()}${name.slice(1)}${before}.`;
}

function bulk(get, words) {
  const [p, spikes] = [get("bulk_p"), get("spikes")];
  if (Number.isNaN(p)) return "";
  const judged = get("phase"); // the verdict's own reading, so that words never contradict it
  const isNoise = judged >= 0 && judged < 5 ? judged <= 2 : p >= words.levels.noise;
  const noise = isNoise ? "The bulk is Marchenko-Pastur noise" : "The bulk is not noise";
  const ratio = get("lambda_max") / get("bulk_edge");
  if (Number.isNaN(spikes)) return `${noise} (${below(p, words.levels.least_p)}).`; // no count was made: none is said
  const above = spikes > 0 ? `${count(spikes, "spike")} above it, the largest at ${number(ratio)} times the edge` : "no spikes";
  return `${noise} (${below(p, words.levels.least_p)}); ${above}.`;
}

/** A p-value, which a table of simulated noise cannot have below its end. */
function below(p, least) {
  return p <= 1.1 * least ? `p below ${number(least)}` : `p ${number(p)}`;
}

function tail(get, word, words) {
  const alpha = get("alpha");
  if (Number.isNaN(alpha)) return word === "no fit" ? "No tail could be fitted." : "Too few values for a tail.";
  const noise = get("alpha_noise");
  const interval = `α ${number(alpha)} [${number(get("alpha_low"))}, ${number(get("alpha_high"))}] from ${number(get("n_tail"))} values`;
  const would = Number.isFinite(noise) ? `, noise of this shape would give ${number(noise)}` : "";
  if (word === "too few") return `Too few values for a verdict on the tail (${interval}${would}).`;
  if (word === "ruled out (finite end)") return `A power-law tail is ruled out: it has a finite end (${interval}${would}).`;
  if (word === "ruled out (exponential)") return `A power-law tail is ruled out: an exponential one is likelier (${interval}${would}).`;
  const why = get("spikes") > 0 ? "beside its spikes the spectrum is noise" : "the spectrum is noise";
  if (word === "ruled out (noise)") return `No power-law tail: ${why} (${interval}${would}).`;
  if (word.startsWith("ruled out")) return `A power-law tail is ruled out${Number.isFinite(get("p")) ? `, p ${number(get("p"))}` : ""} (${interval}${would}).`;
  const inside = noise >= get("alpha_low") && noise <= get("alpha_high");
  const heavy = words.phases[get("phase")]?.name === words.heavy; // by its length and its bulk, whatever its exponent
  if (inside && !heavy) return `The tail is what noise gives: ${interval}${would}.`;
  const but = word.endsWith("then ends") ? ", up to an end" : word.endsWith("or exponential") ? ", or an exponential one" : "";
  return `Power-law tail${but}: ${interval}${would}${inside ? ", which the interval holds: the exponent alone is no more than noise" : ""}.`;
}

/** The lower tail: what is drawn of it. Runs of earlier versions do not say where it ends. */
function lower(get, word, words) {
  const [a, end, n] = ["lower_exponent", "lower_xmax", "lower_n_tail"].map(get);
  if (!Number.isFinite(end)) return "";
  const numbers = `${pretty(words.quantities.lower_exponent.symbol)} ${number(a)} from ${count(n, "value")} up to ${number(end)}`;
  if (word === "too few") return `Too few values for a verdict on the lower tail (${numbers}).`;
  const why = { "ruled out (finite end)": ": it has an end", "ruled out (exponential)": ": an exponential one is likelier" }[word] ?? "";
  return word.startsWith("ruled out") ? `A power law of the lower tail is ruled out${why} (${numbers}).` : `Lower tail: ${numbers}.`;
}

function nearZero(get) {
  const [shape, end] = ["inverse_gamma_shape", "inverse_gamma_end"].map(get);
  return Number.isFinite(end) ? `Near zero, up to ${number(end)}, an inverse Gamma law of shape ${number(shape)} (KS ${number(get("inverse_gamma_ks"))}).` : "";
}

function single(get) {
  const known = get("outliers");
  return known > 0 ? `${count(known, "outlier")} known one by one beyond the rest.` : "";
}

function repulsion(get, status) {
  const kappa = get("kappa");
  if (Number.isNaN(kappa) || status === "too_few_values") return "";
  const ks = Number.isFinite(get("htmp_ks")) ? `; HTMP lies within KS ${number(get("htmp_ks"))} of the spectrum` : "";
  if (status !== "does_not_describe" && isOfNoise(kappa, status)) return `κ is that of noise (≥ N)${ks}.`;
  const value = kappa >= NOISE ? "is that of noise (≥ N)" : `${number(kappa)} [${number(get("kappa_low"))}, ${number(get("kappa_high"))}]`;
  if (status === "does_not_describe") return `κ ${value}, but HTMP does not describe this spectrum${Number.isFinite(get("htmp_ks")) ? ` (KS ${number(get("htmp_ks"))})` : ""}.`;
  const failed = status && status !== "ok" ? ` (${status.replaceAll("_", " ")})` : "";
  return `κ ${number(kappa)} [${number(get("kappa_low"))}, ${number(get("kappa_high"))}]${failed}${ks}.`;
}

/** The reason of a verdict that density alone decides: gaps of neighbours as wide as those of noise mean a spread population. */
function cause(get, words) {
  const wide = words.cause.phases.includes(get("phase"));
  return wide && get("gap_ratio_z") > words.cause.far && get("gap_ratio_z_goe") > -words.cause.far ? words.cause.sentence : "";
}
