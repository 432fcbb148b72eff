// Numbers and symbols as text.

const SUPER = { "-": "⁻", 0: "⁰", 1: "¹", 2: "²", 3: "³", 4: "⁴", 5: "⁵", 6: "⁶", 7: "⁷", 8: "⁸", 9: "⁹" };
const GREEK = { alpha: "α", kappa: "κ", lambda: "λ", gamma: "γ", tau: "τ", theta: "θ", Sigma: "Σ" };

/** Three significant digits (or so many), whole numbers whole, "–" for no value. */
export function number(value, digits = 3) {
  if (value === null || value === undefined || Number.isNaN(value)) return "–";
  if (!Number.isFinite(value)) return value > 0 ? "∞" : "−∞";
  const shown = Number.isInteger(value) ? value : Number(value.toPrecision(digits)); // as read: 9.9999e-5 is 1e-4
  const size = Math.abs(shown);
  return size >= 1e6 || (size > 0 && size < 1e-4) ? scientific(value, digits) : minus(String(shown));
}

/** Labels of an axis: with four digits, or so many that neighbours differ. */
export function toldApart(values) {
  for (let digits = 4; digits < 12; digits++) {
    const labels = values.map((x) => number(x, digits));
    if (new Set(labels).size === new Set(values).size) return labels;
  }
  return values.map((x) => number(x, 12));
}

/** 10 to a whole power, as on an axis. */
export function power(exponent) {
  return exponent === 0 ? "1" : exponent === 1 ? "10" : `10${[...String(exponent)].map((c) => SUPER[c]).join("")}`;
}

/** A value from its decimal logarithm. */
export function fromLog(log) {
  const value = Number((10 ** log).toPrecision(3));
  return value >= 1e-4 && value < 1e4 ? String(value) : scientific(value);
}

/** Labels of ticks at decimal logarithms: powers of ten, or plain numbers where other ticks stand between them. */
export function logLabels(logs) {
  return logs.map(logs.every(Number.isInteger) ? power : fromLog);
}

/** A symbol of the table of quantities with its Greek letters ("log10 kappa" is "log₁₀ κ"). */
export function pretty(symbol) {
  return symbol
    .replace(/\b(alpha|kappa|lambda|gamma|tau|theta|Sigma)(?=\b|_)/g, (word) => GREEK[word])
    .replace(/dtheta/g, "Δθ")
    .replace(/log10/g, "log₁₀")
    .replace(/[_,]([\d.]+)%/g, " $1 %") // an end of an interval
    .replace(/_([A-Za-z0-9+\-]+)/g, (_, low) => subscript(low));
}

/** "1 layer", "3 layers". */
export const count = (n, word) => `${n} ${word}${n === 1 ? "" : "s"}`;

/** A long name without its middle: blocks differ by the first number, roles at the end. ".weight" goes first, then what stands before the number. */
export function shortened(whole, room) {
  if (whole.length <= room) return whole;
  const long = whole.replace(/\.weight$/, "");
  if (long.length <= room) return long;
  const block = long.search(/(?<=\.)\d+\./);
  const name = block < 0 ? long : `…${long.slice(block)}`;
  if (name.length <= room) return name;
  const start = Math.floor((room - 1) / 3);
  return `${name.slice(0, start)}…${name.slice(name.length - Math.max(room - 1 - start, 1))}`;
}

function scientific(value, digits = 3) {
  const [mantissa, exponent] = value.toExponential(digits - 1).split("e").map(Number);
  return `${minus(String(mantissa))}·${power(exponent)}`;
}

const minus = (text) => text.replace("-", "−");

function subscript(text) {
  const digits = /^[0-9+\-]+$/.test(text);
  return digits ? [...text].map((c) => ({ "+": "₊", "-": "₋" })[c] ?? String.fromCharCode(0x2080 + Number(c))).join("") : ` ${text}`;
}
