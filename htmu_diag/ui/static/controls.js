// The bar on top, the bar of time, and the buttons: native controls that change the state and nothing else.

import { choice, element, fill, mark, say } from "./dom.js";
import { count } from "./format.js";
import { EVERY, joined, MOST, named, namesBeside } from "./others.js";
import { twoSided } from "./spectrum.js";
import { colourKey, colourLabel, hasColour, valueName } from "./words.js";

const VIEWS = [["prediction", "Prediction"], ["causes", "Causes"], ["compare", "Comparison"], ["path", "Curves of the kind"], ["table", "Table"], ["help", "?"]];
const DRAWS = [["density", "density"], ["above", "share above λ"], ["decade", "share per decade"]];
const FRAME = 50; // milliseconds of a played measurement

/** {bar, time, tabs, draw, key, update(data, now)}. data(): what is shown at the moment. */
export function controls(state, data) {
  const set = (key) => (value) => state.set({ [key]: value });
  const run = choice("run", [], "", set("run"));
  const other = choice("compare with", [], "", set("other"));
  const more = moreRuns(state);
  const kind = choice("kind", [], "", (value) => state.set({ kind: value, layer: "" }));
  const colour = choice("colour", [], "", set("colour"));
  const order = choice("rows", [["model", "in the model's order"], ["role", "by role"]], state.get("order"), set("order"));
  const align = choice("aligned by", [], "step", set("align"));
  const raw = toggle("each measurement", "A change of phase counts once it was seen several times in a row; this shows every measurement by itself.", () => state.set({ raw: state.get("raw") ? "" : "1" }));
  const minus = toggle("minus the other run", "Difference to the other run; white is equal.", () => state.set({ minus: state.get("minus") ? "" : "1" }));
  const status = element("span", { class: "status", role: "status" });
  const bar = element("div", { class: "bar" }, run, other, more.box, kind, colour, order, raw, minus, align, status);
  const time = timeBar(state, data);
  const tabs = buttons("view", VIEWS, state, "view");
  const draw = buttons("drawn as", DRAWS, state, "draw");
  const key = element("div", { class: "legend lines" });
  const select = (made) => made.querySelector("select");
  let filled = null; // what the selects were filled from
  const fillAll = (shown) => {
    fill(select(run), shown.runs.map((r) => [r.name, r.name === "." ? "this run" : r.name]), shown.outline.name);
    fill(select(other), ...otherRuns(shown, state.get("other")));
    more.fill(shown);
    fill(select(kind), Object.keys(shown.outline.kinds).map((k) => [k, k.replaceAll("_", " ")]), shown.kind);
    fill(select(colour), shown.words.colours.filter((c) => hasColour(shown.frame, c)).map((c) => [colourKey(c), colourLabel(c, shown.words)]), "");
    fill(select(align), [["step", "equal step"], ...(shown.losses ?? []).map((tag) => [tag, `equal ${tag}`])], shown.alignTag || "step");
  };
  const update = (shown, now) => {
    if (!shown?.outline) return;
    if (shown !== filled) fillAll(shown);
    filled = shown;
    select(colour).value = now ? colourKey(now.colour) : state.get("colour");
    select(order).value = state.get("order");
    const single = shown.frame.layers.length < 2; // nothing to colour or to order
    const phases = now?.colour.quantity === "phase";
    colour.hidden = order.hidden = single;
    align.hidden = !shown.other;
    minus.hidden = !shown.other || phases || single;
    other.hidden = shown.runs.length < 2;
    raw.hidden = !phases || single;
    mark(raw, "aria-pressed", String(state.get("raw") === "1"));
    mark(minus, "aria-pressed", String(state.get("minus") === "1"));
    say(status, shown.missing || `${count(shown.frame.layers.length, "layer")} × ${count(shown.frame.steps.length, "measurement")}`);
    tabs.update();
    draw.update();
    draw.box.hidden = !shown.density || twoSided(shown.density);
    if (now) time.update(now);
    const wanted = JSON.stringify([shown.outline.name, shown.kind, shown.layer, state.get("ghost"), Boolean(shown.density), Boolean(shown.density && twoSided(shown.density)), shown.other?.density ? [shown.other.name, shown.beside.length] : null]);
    if (key.dataset.shown !== wanted) key.replaceChildren(...lines(shown, state));
    key.dataset.shown = wanted;
  };
  return { bar, time: time.box, tabs: tabs.box, draw: draw.box, key, update };
}

/** [options, the one that is chosen]: no run, each one, all of them, and what the address names beside these. */
function otherRuns({ runs, outline }, asked) {
  const names = namesBeside(runs, outline.name);
  const now = asked === EVERY && names.length < 2 ? joined(names) : asked;
  const options = [["", "no other run"], ...names.map((name) => [joined([name]), name])];
  if (names.length > 1) options.push([EVERY, names.length > MOST ? `the first ${MOST} others` : `all ${names.length} others`]);
  if (!options.some(([value]) => value === now)) options.push([now, named(now).join(", ")]);
  return [options, now];
}

/** Boxes to tick for runs beside the first other one: {box, fill(shown)}. */
function moreRuns(state) {
  const [summary, list] = [element("summary", {}), element("div", { class: "ticked" })];
  const box = element("details", { class: "choice more-runs" }, summary, list);
  const tick = (shown, name) => () => {
    const now = shown.beside.map((one) => one.name);
    state.set({ other: joined(now.includes(name) ? now.filter((one) => one !== name) : [...now, name]) });
  };
  const fillBoxes = (shown) => {
    const now = shown.beside.map((one) => one.name);
    const names = namesBeside(shown.runs, shown.outline.name).filter((name) => name !== now[0]);
    box.hidden = now.length === 0 || names.length === 0;
    say(summary, `curves of more runs (${Math.max(now.length - 1, 0)} of ${names.length})`);
    const boxes = names.map((name) => element("label", {}, element("input", { type: "checkbox", "aria-label": name, checked: now.includes(name), disabled: now.length > MOST && !now.includes(name), onchange: tick(shown, name) }), element("span", { text: name })));
    const at = [...list.querySelectorAll("input")].indexOf(list.ownerDocument.activeElement); // the key stays where it was
    list.replaceChildren(...boxes);
    if (at >= 0) boxes[Math.min(at, boxes.length - 1)]?.querySelector("input").focus();
  };
  return { box, fill: fillBoxes };
}

function timeBar(state, data) {
  const steps = () => data()?.frame.steps ?? [];
  const to = (i) => {
    const at = Math.min(Math.max(i, 0), steps().length - 1);
    state.set({ step: at === steps().length - 1 ? "" : steps()[at] });
  };
  const slider = element("input", { type: "range", min: "0", step: "1", "aria-label": "measurement", oninput: () => to(Number(slider.value)) });
  const label = element("output", { class: "step" });
  const play = element("button", { text: "▶", "aria-label": "play", title: "play the measurements (single steps where motion is unwanted)" });
  const pin = element("button", { text: "pin this step", title: "keep this step's spectrum as a dotted line while you move on", onclick: () => state.set({ ghost: state.get("ghost") === "" ? steps()[Number(slider.value)] : "" }) });
  const box = element("div", { class: "time" }, play, slider, label, pin);
  let timer = null;
  const stop = () => { clearInterval(timer); timer = null; play.textContent = "▶"; };
  const next = () => {
    if (window.innerHeight === 0 || document.hidden || Number(slider.value) >= steps().length - 1) stop();
    else to(Number(slider.value) + 1);
  };
  play.addEventListener("click", () => {
    if (timer) { stop(); return; }
    if (Number(slider.value) >= steps().length - 1) to(0);
    if (window.matchMedia("(prefers-reduced-motion: reduce)").matches) { next(); return; }
    play.textContent = "❚❚";
    timer = setInterval(next, FRAME);
  });
  const update = ({ frame, step }) => {
    box.hidden = frame.steps.length < 2;
    mark(slider, "max", String(frame.steps.length - 1));
    slider.value = String(step);
    say(label, `step ${frame.steps[step]}`);
    mark(slider, "aria-valuetext", label.textContent);
    const ghost = state.get("ghost");
    say(pin, ghost === "" ? "pin this step" : `unpin step ${ghost}`);
  };
  return { box, update };
}

function buttons(label, options, state, key) {
  const made = options.map(([value, text]) => element("button", { text, "data-value": value, title: value === "help" ? "what the words mean" : false, onclick: () => state.set({ [key]: value }) }));
  const box = element("div", { class: "buttons", role: "group", "aria-label": label }, ...made);
  const update = () => made.forEach((button) => mark(button, "aria-pressed", String(button.dataset.value === state.get(key))));
  return { box, update };
}

function toggle(text, title, onclick) {
  return element("button", { class: "toggle", text, title, "aria-pressed": "false", onclick });
}

/** What the lines of the spectrum are: those that this layer has at any step. */
function lines({ other, beside, density, frame, layer, kind, words }, state) {
  if (!density) return [];
  const laws = [["kappa", "line law", `${words.inverse.includes(kind) ? "inverse HTMP" : "HTMP"} (grey: does not describe)`], ["bulk_scale", "line bulk", "Marchenko-Pastur bulk"], ["alpha", "line tail", "power law (dotted: ruled out)"], ["lower_xmax", "line lower", "power law of the lower tail (dotted: ruled out)"], ["inverse_gamma_height", "line gamma", "inverse Gamma near zero"], ["spikes", "mark", "▲ spikes"], ["outliers", "mark", "▲ outliers, known one by one"]];
  const counts = ["spikes", "outliers"]; // marks stand where there is one
  const found = laws.filter(([name]) => frame.row(name, layer).some((x) => Number.isFinite(x) && (!counts.includes(name) || x > 0)));
  const shown = twoSided(density)
    ? [["bar", "positive"], ["bar negative", "negative"], ...found.filter(([, line]) => line === "mark").map(([, ...line]) => line)]
    : [["bar", `${valueName(kind, words)}s`], ...found.map(([, ...line]) => line)];
  if (state.get("ghost") !== "") shown.push(["line ghost", `step ${state.get("ghost")}`]);
  if (other?.density) shown.push(["line other", beside.length > 1 ? `other run: ${other.name}` : "other run"]);
  return shown.map(([kind, text]) => element("span", { class: "key" }, kind === "mark" ? null : element("span", { class: `sample ${kind}` }), element("span", { text })));
}
