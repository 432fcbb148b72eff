// The runs that are looked at beside the first one: their names in the address, and what tells their lines apart.

/** In the address and in the list: every run there is. */
export const EVERY = "*";
export const MOST = 12; // runs in one picture
const COLOURS = 6; // of the style sheet, --run1 is the first
const DASHES = [[4, 2], [1.5, 2], [9, 3], [9, 3, 1.5, 3], [5, 2, 1, 2, 1, 2], [13, 5]];

/** The names of other runs from the text of the address: one name as it is, several as a list in JSON. */
export function named(text, every = []) {
  return text === "" ? [] : text === EVERY ? [...every] : listed(text) ?? [text];
}

/** The text of the address for some names. */
export function joined(names) {
  const [first] = names;
  if (names.length === 0) return "";
  return names.length > 1 || first === EVERY || first === "" || listed(first) ? JSON.stringify(names) : first;
}

/** How the line of the n-th other run looks; the first one is the orange of its spectrum. */
export function lineOf(n) {
  return { stroke: `run${(n % COLOURS) + 1}`, dash: DASHES[(n + Math.floor(n / COLOURS)) % DASHES.length], width: 1.6 };
}

/** The names of all runs but one, the newest first (the order in which a page was asked for them). */
export const namesBeside = (runs, own) => runs.map((run) => run.name).filter((name) => name !== own).reverse();

/** The runs that are chosen, without the one they are compared with: those that are here, and the names of those that are not. */
export function chosen(text, runs, own) {
  const wanted = [...new Set(named(text, namesBeside(runs, own)))].filter((name) => name !== own);
  const found = wanted.map((name) => runs.find((run) => run.name === name)).filter(Boolean);
  return { found: found.slice(0, MOST), left: found.length - Math.min(found.length, MOST), gone: wanted.filter((name) => !found.some((run) => run.name === name)) };
}

function listed(text) {
  if (!text.startsWith("[")) return null;
  try {
    const names = JSON.parse(text);
    return Array.isArray(names) && names.length > 0 && names.every((name) => typeof name === "string") ? names : null;
  } catch {
    return null;
  }
}
