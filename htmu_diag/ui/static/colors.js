// Colours: continuous, diverging, phases. Chosen so that colour-blind readers tell them apart; never the only sign.

const CIVIDIS = ["#00224e", "#123570", "#3b496c", "#575d6d", "#707173", "#8a8779", "#a59c74", "#c3b369", "#e1cc55", "#fee838"];
const VIRIDIS = ["#440154", "#482878", "#3e4a89", "#31688e", "#26828e", "#1f9e89", "#35b779", "#6ece58", "#b5de2b", "#fde725"];
const DIVERGING = ["#053061", "#2166ac", "#4393c3", "#92c5de", "#d1e5f0", "#ffffff", "#fddbc7", "#f4a582", "#d6604d", "#b2182b", "#67001f"];
const FINE = 1024; // colours of a scale: more than a screen has between two stops
const PHASES = ["#a3a8ad", "#6fadf8", "#7139ff", "#007651", "#e89600", "#b54600"];
const DARK_TEXT = [true, true, false, false, true, false]; // ink on a phase's colour

/** share in [0, 1] -> [r, g, b], which is nobody's to change. */
export const cividis = scale(CIVIDIS);
export const viridis = scale(VIRIDIS);
export const diverging = scale(DIVERGING);

/** Colour of a phase by its number; grey for one that is not known. */
export const phaseColor = (index) => PHASES[index] ?? "#777777";
export const phaseInk = (index) => (DARK_TEXT[index] ? "#101418" : "#ffffff");

/** [r, g, b] of "#rrggbb". */
export function rgb(hex) {
  return [1, 3, 5].map((at) => parseInt(hex.slice(at, at + 2), 16));
}

/** CSS text of [r, g, b]. */
export const css = ([r, g, b]) => `rgb(${r},${g},${b})`;

const SHADES = 24; // that an eye tells apart in one picture

/** The colour of a layer by its place among n: viridis in at most 24 shades, without the end that its page would hide. */
export const layerColor = (place, n, dark = false) => {
  const last = Math.min(n, SHADES) - 1;
  const [from, to] = dark ? [0.45, 1] : [0, 0.92];
  return css(viridis(last > 0 ? from + ((to - from) * Math.round((place * last) / (n - 1))) / last : dark ? 0.6 : 0.35));
};

/** A scale whose colours are computed once: a picture has tens of thousands of cells. */
function scale(stops) {
  const known = Array.from({ length: FINE + 1 }, (_, i) => between(stops, i / FINE));
  return (share) => known[Math.round(Math.min(Math.max(share, 0), 1) * FINE)] ?? known[0];
}

function between(stops, share) {
  const place = share * (stops.length - 1);
  const low = Math.min(Math.floor(place), stops.length - 2);
  const [a, b] = [rgb(stops[low]), rgb(stops[low + 1])];
  return a.map((x, i) => Math.round(x + (b[i] - x) * (place - low)));
}
