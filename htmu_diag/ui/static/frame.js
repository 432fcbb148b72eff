// One kind of one run as arrays (layers x steps), and what is read off them: phases held, first times, shares.

/** What the views ask for; what a run does not have is NaN everywhere. */
export const NEEDED = [
  "dimension", "gamma", "lambda_max", "lambda_min", "trace", "log_norm", "stable_rank", "effective_rank", "zero_fraction", "negative_mass",
  "alpha", "alpha_low", "alpha_high", "xmin", "n_tail", "p", "ks", "alpha_noise", "alpha_predicted",
  "alpha_predicted_low", "alpha_predicted_high", "lower_exponent", "lower_xmax", "lower_n_tail", "lower", "inverse_gamma_scale",
  "inverse_gamma_end", "inverse_gamma_height", "inverse_gamma_ks", "outliers", "kappa", "log_kappa", "kappa_low", "kappa_high", "htmp_ks",
  "inverse_advantage", "bulk_scale", "bulk_edge", "bulk_p", "spikes", "phase", "tail", "tail_status", "htmp_status", "verdict", "gap_ratio_z", "gap_ratio_z_goe",
  "distance", "rank_exponent", "entropy_left_top_z", "inverse_gamma_shape", "target_alignment", "entropy_deficit", "step_length", "noise_tail_index", "noise_scale",
];

export class Frame {
  /** outline: the kind's (layers, quantities, codes). table: {layers, steps, values: {name: Float32Array}}. */
  constructor(outline, table) {
    const about = new Map(outline.layers.map((layer) => [layer.name, layer]));
    this.layers = table.layers.map((name) => about.get(name) ?? { name, role: name, depth: null, shape: [NaN, NaN] });
    this.names = table.layers;
    this.steps = table.steps;
    this.codes = outline.codes ?? {};
    this.values = table.values;
    this.empty = new Float32Array(this.layers.length * this.steps.length).fill(NaN);
    this.kept = new Map();
  }

  /** (layers * steps) of a quantity, one layer after another. */
  of(name) {
    return this.values[name] ?? this.empty;
  }

  at(name, layer, step) {
    return this.of(name)[layer * this.steps.length + step];
  }

  /** A status in words ("ok"); empty where there is none. */
  status(name, layer, step) {
    return this.codes[name]?.[this.at(name, layer, step)] ?? "";
  }

  /** What the tail fit is good for, in the words of the tables; files of earlier versions say only how the fit ended. */
  tail(layer, step) {
    const before = { not_a_power_law: "ruled out", too_few_values: "too few", ok: "fits" };
    return this.status("tail", layer, step) || before[this.status("tail_status", layer, step)] || "";
  }

  ruledOut(layer, step) {
    return this.tail(layer, step).startsWith("ruled out");
  }

  /** Whether the fitted law is known not to describe the spectrum. */
  missed(layer, step) {
    return this.status("htmp_status", layer, step) === "does_not_describe";
  }

  /** One layer's numbers through time. */
  row(name, layer) {
    return slice(this.of(name), layer, this.steps.length);
  }

  /** (layers * steps) of a quantity without what means nothing: predictions of a law that does not describe the spectrum. */
  standing(name) {
    if (name !== "alpha_predicted") return this.of(name);
    const said = (place) => this.codes.htmp_status?.[this.of("htmp_status")[place]];
    return this.remember(`standing ${name}`, () => this.of(name).map((x, place) => (said(place) === "does_not_describe" ? NaN : x)));
  }

  /** One layer's numbers through time, those that mean something. */
  told(name, layer) {
    return slice(this.standing(name), layer, this.steps.length);
  }

  /** Whether a layer was measured at a step: its dimension is known. */
  measured(layer, step) {
    return !Number.isNaN(this.at("dimension", layer, step)) || !Number.isNaN(this.at("lambda_max", layer, step));
  }

  has(name) {
    return this.remember(`has ${name}`, () => this.of(name).some((x) => !Number.isNaN(x)));
  }

  layerIndex(name) {
    return this.names.indexOf(name);
  }

  /** The measurement nearest to a step. */
  nearest(step) {
    return nearest(this.steps, step);
  }

  /** Phases where a change counts once it was seen `held` times in a row; one value a cell, as in `phase`. */
  heldPhases(held) {
    return this.remember(`held ${held}`, () => {
      const out = Float32Array.from(this.of("phase"));
      const n = this.steps.length;
      for (let l = 0; l < this.layers.length; l++) hold(out.subarray(l * n, (l + 1) * n), held);
      return out;
    });
  }

  /** The cells that a colour stands for: a quantity, or one minus another. */
  cells(colour, held) {
    if (colour.quantity === "phase") return held > 1 ? this.heldPhases(held) : this.of("phase");
    if (!colour.minus) return this.of(colour.quantity);
    return this.remember(`${colour.quantity}-${colour.minus}`, () => {
      const other = this.standing(colour.minus);
      return this.of(colour.quantity).map((x, i) => x - other[i]);
    });
  }

  /** Index of the measurement at which a rule counts as met, as a change of phase does (`hold`), per layer; -1: never. */
  firsts(rule, held) {
    const holds = meets(rule);
    const rows = rule.phases ? (l) => slice(this.heldPhases(held), l, this.steps.length).map(holds) : (l) => hold(this.row(rule.quantity, l).map(holds), held);
    return this.layers.map((_, l) => rows(l).indexOf(1));
  }

  remember(key, make) {
    if (!this.kept.has(key)) this.kept.set(key, make());
    return this.kept.get(key);
  }
}

/** Index of the number nearest to x in an ascending list; -1 for an empty one. */
export function nearest(sorted, x) {
  let [low, high] = [0, sorted.length - 1];
  while (high - low > 1) {
    const middle = (low + high) >> 1;
    if (sorted[middle] <= x) low = middle;
    else high = middle;
  }
  return high < 0 ? -1 : Math.abs(sorted[low] - x) <= Math.abs(sorted[high] - x) ? low : high;
}

/** In place: the value shown is the last one that came `held` times in a row, the first one until then. */
export function hold(values, held) {
  let [shown, last, length] = [NaN, NaN, 0];
  for (let i = 0; i < values.length; i++) {
    if (Number.isNaN(values[i])) continue;
    length = values[i] === last ? length + 1 : 1;
    last = values[i];
    if (Number.isNaN(shown) || length >= held) shown = last;
    values[i] = shown;
  }
  return values;
}

/** Median of the numbers that are finite; NaN without one. */
export function median(values) {
  const known = [...values].filter(Number.isFinite).sort((a, b) => a - b);
  const half = known.length >> 1;
  return known.length === 0 ? NaN : known.length % 2 ? known[half] : (known[half - 1] + known[half]) / 2;
}

/** The q-quantile of finite numbers. */
export function quantile(values, q) {
  const known = Float64Array.from(values.filter(Number.isFinite)).sort();
  return known.length === 0 ? NaN : known[Math.round(q * (known.length - 1))];
}

/** Ranks with ties shared, then their correlation (Spearman's rho), over pairs of finite numbers: {rho, n}. */
export function spearman(xs, ys) {
  const pairs = xs.map((x, i) => [x, ys[i]]).filter(([x, y]) => Number.isFinite(x) && Number.isFinite(y));
  const [a, b] = [ranks(pairs.map((p) => p[0])), ranks(pairs.map((p) => p[1]))];
  const middle = (pairs.length - 1) / 2;
  let [ab, aa, bb] = [0, 0, 0];
  a.forEach((x, i) => { ab += (x - middle) * (b[i] - middle); aa += (x - middle) ** 2; bb += (b[i] - middle) ** 2; });
  return { rho: pairs.length > 2 && aa > 0 && bb > 0 ? ab / Math.sqrt(aa * bb) : NaN, n: pairs.length };
}

/** The order of rows: of the model, or with layers of one role together, roles by their first layer. */
export function rowOrder(layers, by) {
  const order = layers.map((_, i) => i);
  if (by !== "role") return order;
  const first = new Map();
  layers.forEach((layer, i) => { if (!first.has(layer.role)) first.set(layer.role, i); });
  return order.sort((a, b) => first.get(layers[a].role) - first.get(layers[b].role) || a - b);
}

/** Of a number: 1 where the rule holds, 0 where not, NaN where the number is not known. */
function meets(rule) {
  const holds = rule.phases ? (x) => rule.phases.includes(x) : rule.below !== undefined ? (x) => x < rule.below : (x) => x >= rule.from;
  return (x) => (Number.isNaN(x) ? NaN : Number(holds(x)));
}

const slice = (values, row, n) => values.subarray(row * n, (row + 1) * n);

function ranks(values) {
  const order = values.map((_, i) => i).sort((a, b) => values[a] - values[b]);
  const out = new Array(values.length);
  for (let i = 0; i < order.length; ) {
    let j = i;
    while (j + 1 < order.length && values[order[j + 1]] === values[order[i]]) j++;
    for (let k = i; k <= j; k++) out[order[k]] = (i + j) / 2;
    i = j + 1;
  }
  return out;
}
