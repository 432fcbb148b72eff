// The overview: layers x measurements as a heat map, the selected cell, hover, keyboard, a spoken cell.

import { cividis, css, diverging, phaseColor, phaseInk, rgb } from "./colors.js";
import { number, shortened } from "./format.js";
import { quantile } from "./frame.js";
import { element, hatch, place, prepared, say, theme } from "./dom.js";
import { stepTicks } from "./laws.js";
import { colourLabel, noiseAt, verdictName } from "./words.js";

const BOTTOM = 20; // pixels for the steps below
const LABEL = 11; // pixels that a row's name needs
const NAMED = "bold 11px system-ui"; // of the selected row, as in the style sheet

export class HeatMap {
  /** select({layer, step}): called with indices of the frame. */
  constructor(parent, select) {
    this.select = (cell) => {
      this.now = { ...this.now, ...cell }; // the next key starts here, even if the data is still on its way
      this.mark();
      select(cell);
    };
    this.cells = element("canvas", { "aria-hidden": "true" });
    [this.column, this.row, this.named] = ["column", "row", "named"].map((name) => element("div", { class: `mark ${name}`, "aria-hidden": "true" }));
    this.box = element("div", { class: "heat", tabindex: "0", role: "application", onkeydown: (e) => this.key(e), onpointermove: (e) => this.hover(e), onpointerleave: () => this.leave(), onclick: (e) => this.click(e) }, this.cells, this.column, this.row, this.named);
    this.tip = element("div", { class: "tip", hidden: true });
    this.spoken = element("div", { class: "spoken", role: "status", "aria-live": "polite" });
    this.legend = element("div", { class: "legend" });
    this.outer = element("div", { class: "heat-outer" }, this.box, this.tip);
    parent.append(this.outer, this.legend, this.spoken);
    new ResizeObserver(() => this.now && this.paint()).observe(this.outer);
  }

  /** now: {frame, cells, colour, order, layer, step, words, events, other (cells of the other run or null), minus, scaled (cells that the range is read from)}. */
  draw(now) {
    const before = this.now;
    this.now = now;
    const same = before && ["frame", "cells", "order", "colour", "minus", "dark"].every((key) => before[key] === now[key]);
    if (!same || !(this.width >= 60)) this.paint(); // another width: the observer paints
    else this.mark();
  }

  paint() {
    const { frame, order, words, colour } = this.now;
    this.width = this.outer.clientWidth;
    if (this.width < 60) return;
    const [rows, columns] = [order.length, frame.steps.length];
    this.rowHeight = Math.min(Math.max(Math.floor(420 / rows), 2), 18);
    this.left = Math.min(220, this.width * 0.28, 16 + 6.2 * Math.max(...frame.names.map((n) => n.length)));
    this.columnWidth = (this.width - this.left - 4) / columns;
    this.height = rows * this.rowHeight + BOTTOM;
    this.scale = this.scaleOf();
    const context = prepared(this.cells, this.width, this.height);
    this.colours = theme(this.box);
    context.fillStyle = hatch(context, this.colours.faint);
    context.fillRect(this.left, 0, this.width - this.left - 4, rows * this.rowHeight);
    this.paintCells(context);
    this.paintLetters(context);
    this.paintNames(context);
    this.paintSteps(context);
    this.box.setAttribute("aria-label", `${colourLabel(colour, words)}: ${rows} layers by ${columns} measurements; arrow keys move, with Shift by ten`);
    this.paintLegend();
    this.mark();
  }

  /** How a value becomes [r, g, b]; limits from the table, else the 2nd to 98th percentile over both runs. */
  scaleOf() {
    const { cells, scaled, other, colour, minus } = this.now;
    if (colour.quantity === "phase" && !minus) return { kind: "phase" };
    const both = other ? [...cells, ...other] : [...cells];
    const finite = both.filter(Number.isFinite);
    const sized = minus && scaled.some(Number.isFinite) ? scaled : both;
    let [low, high] = colour.range && !minus ? colour.range : [0.02, 0.98].map((q) => quantile(sized, q));
    if (minus || colour.minus) { high = Math.max(Math.abs(low), Math.abs(high)); low = -high; }
    if (!(high > low)) [low, high] = [(low || 0) - 0.5, (high || 0) + 0.5];
    const map = minus || colour.minus ? diverging : cividis;
    const clipped = finite.some((x) => x < low || x > high);
    return { kind: "range", low, high, map, clipped, color: (x) => map((x - low) / (high - low)) };
  }

  paintCells(context) {
    const { cells, order, frame } = this.now;
    const columns = frame.steps.length;
    const image = new ImageData(columns, order.length);
    const blank = rgb(this.colours.soft); // measured, without such a number
    const phases = [0, 1, 2, 3, 4, 5].map((i) => rgb(phaseColor(i)));
    order.forEach((layer, row) => {
      for (let s = 0; s < columns; s++) {
        const value = cells[layer * columns + s];
        if (Number.isNaN(value) && !frame.measured(layer, s)) continue;
        const [r, g, b] = Number.isNaN(value) ? blank : this.scale.kind === "phase" ? phases[value] ?? [119, 119, 119] : this.scale.color(value);
        image.data.set([r, g, b, 255], 4 * (row * columns + s));
      }
    });
    const small = document.createElement("canvas");
    [small.width, small.height] = [columns, order.length];
    small.getContext("2d").putImageData(image, 0, 0);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, this.left, 0, this.columnWidth * columns, this.rowHeight * order.length);
  }

  paintLetters(context) {
    if (this.scale.kind !== "phase" || this.columnWidth < 9 || this.rowHeight < 11) return;
    const { cells, order, frame, words } = this.now;
    context.font = "9px system-ui";
    context.textAlign = "center";
    context.textBaseline = "middle";
    order.forEach((layer, row) => {
      for (let s = 0; s < frame.steps.length; s++) {
        const value = cells[layer * frame.steps.length + s];
        if (Number.isNaN(value)) continue;
        context.fillStyle = phaseInk(value);
        context.fillText(words.phases[value]?.letter ?? "?", this.left + (s + 0.5) * this.columnWidth, (row + 0.5) * this.rowHeight);
      }
    });
  }

  paintNames(context) {
    const { order, frame } = this.now;
    const every = Math.ceil(LABEL / this.rowHeight);
    context.font = "11px system-ui";
    context.textAlign = "right";
    context.textBaseline = "middle";
    context.fillStyle = this.colours.ink;
    order.forEach((layer, row) => {
      const middle = Math.max((row + 0.5) * this.rowHeight, 6); // the first name of thin rows stays whole
      if (row % every === 0) context.fillText(fitting(context, frame.names[layer], this.left - 8), this.left - 6, middle);
    });
  }

  paintSteps(context) {
    const { frame, order } = this.now;
    context.font = "11px system-ui";
    context.textAlign = "center";
    context.textBaseline = "top";
    context.fillStyle = this.colours.faint;
    for (const [place, text] of stepTicks(frame.steps, this.width - this.left)) {
      const last = this.width - context.measureText(text).width / 2;
      context.fillText(text, Math.min(this.left + (place + 0.5) * this.columnWidth, last), order.length * this.rowHeight + 4);
    }
  }

  paintLegend() {
    const { words, colour, minus, frame } = this.now;
    if (this.scale.kind === "phase") {
      this.legend.replaceChildren(...words.phases.map((phase, i) => element("span", { class: "key" }, swatch(phaseColor(i), phase.letter, phaseInk(i)), element("span", { text: phase.name }))), ...this.empties());
      return;
    }
    const { low, high, map, clipped } = this.scale;
    const stops = [0, 0.25, 0.5, 0.75, 1].map((x) => css(map(x))).join(",");
    const bar = element("span", { class: "ramp" });
    bar.style.background = `linear-gradient(to right,${stops})`;
    const what = minus ? `${colourLabel(colour, words)}, minus the other run` : colourLabel(colour, words);
    const none = frame.has(colour.quantity) ? "" : "No layer has this number in this run.";
    const scale = element("span", { class: "key" }, element("span", { text: number(low) }), bar, element("span", { text: number(high) }));
    const told = `${clipped ? "Values beyond are drawn as the ends. " : ""}${none}`;
    this.legend.replaceChildren(element("span", { text: what }), scale, told ? element("span", { text: told }) : "", ...this.empties());
  }

  /** What cells without a colour mean, where there are some. */
  empties() {
    const { cells, frame, colour, minus } = this.now;
    const n = frame.steps.length;
    const empty = (measured) => frame.layers.some((_, l) => frame.steps.some((_, s) => Number.isNaN(cells[l * n + s]) && frame.measured(l, s) === measured));
    const key = (kind, text) => element("span", { class: "key" }, element("span", { class: `swatch ${kind}` }), element("span", { text }));
    const none = minus ? "no difference to tell" : colour.quantity === "phase" ? "no verdict: too few values, or all nearly equal" : colour.minus === "alpha_predicted" ? "no prediction, or one of a law that does not describe" : "no such number";
    return [empty(true) ? key("blank", none) : null, empty(false) ? key("hatched", "not measured") : null].filter(Boolean);
  }

  /** The selected row and measurement: elements that move above the picture, so that scrubbing paints nothing. */
  mark() {
    const { frame, order, layer, step } = this.now;
    if (!(this.width >= 60)) return;
    const [row, height] = [order.indexOf(layer), this.rowHeight];
    place(this.column, this.left + step * this.columnWidth - 1, 0, Math.max(this.columnWidth, 2) + 2, order.length * height);
    this.row.hidden = this.named.hidden = row < 0;
    if (row < 0) return;
    place(this.row, this.left - 2, row * height - 2, this.columnWidth * frame.steps.length + 4, height + 4);
    place(this.named, 0, (row + 0.5) * height - 7, this.left - 6, 14);
    const pen = this.cells.getContext("2d");
    pen.font = NAMED;
    say(this.named, fitting(pen, frame.names[layer], this.left - 8));
  }

  key(event) {
    const { frame, order, layer, step } = this.now;
    const by = event.shiftKey ? 10 : 1;
    const [dx, dy] = { ArrowLeft: [-by, 0], ArrowRight: [by, 0], ArrowUp: [0, -by], ArrowDown: [0, by], Home: [-1e9, 0], End: [1e9, 0] }[event.key] ?? [0, 0];
    if (dx === 0 && dy === 0) return;
    event.preventDefault();
    const row = limited(order.indexOf(layer) + dy, order.length);
    const to = { layer: order[row], step: limited(step + dx, frame.steps.length) };
    this.spoken.textContent = this.said(to.layer, to.step);
    this.select(to);
  }

  click(event) {
    const cell = this.cell(event);
    if (cell) this.select(cell);
  }

  hover(event) {
    const cell = this.cell(event);
    this.tip.hidden = !cell;
    if (!cell) return;
    this.tip.textContent = this.said(cell.layer, cell.step);
    const x = event.clientX - this.outer.getBoundingClientRect().left;
    const y = event.clientY - this.outer.getBoundingClientRect().top;
    this.tip.style.left = `${Math.min(x + 14, this.width - 260)}px`;
    this.tip.style.top = `${y + 16}px`;
  }

  leave() {
    this.tip.hidden = true;
  }

  cell(event) {
    const box = this.box.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const [row, step] = [Math.floor(y / this.rowHeight), Math.floor((x - this.left) / this.columnWidth)];
    const { order, frame } = this.now;
    if (row < 0 || row >= order.length || step >= frame.steps.length) return null;
    return { layer: order[row], step: step < 0 ? this.now.step : step };
  }

  /** Whether a cell of log kappa stands for noise, which has no value; of a difference, whether either run does. */
  capped(layer, step) {
    const { frame, cells, scaled, minus } = this.now;
    const place = layer * frame.steps.length + step;
    return minus ? Number.isFinite(cells[place]) && cells[place] !== 0 && Number.isNaN(scaled[place]) : noiseAt(frame, place);
  }

  /** Layer, step, value with its interval, n, in words. */
  said(layer, step) {
    const { frame, cells, colour, words, events, minus } = this.now;
    const where = `${frame.names[layer]}, step ${frame.steps[step]}`;
    if (!frame.measured(layer, step)) return `${where}: not measured${reason(events, frame.names[layer], frame.steps[step])}`;
    const value = cells[layer * frame.steps.length + step];
    const n = number(frame.at("dimension", layer, step));
    const values = this.now.values;
    if (colour.quantity === "phase" && !minus) {
      const raw = frame.at("phase", layer, step);
      const held = Object.is(value, raw) ? "" : `; this measurement alone: ${verdictName(frame, layer, step, words)}`;
      return `${where}: ${verdictName(frame, layer, step, words, value)}${held}; ${n} ${values}`;
    }
    const q = colour.quantity;
    if (q === "log_kappa" && this.capped(layer, step)) return `${where}: ${colourLabel(colour, words)} ${minus ? "of noise in one of the two runs: no difference to tell" : "of noise (κ ≥ N)"}; ${n} ${values}`;
    const [low, high] = [frame.at(`${q.replace("log_", "")}_low`, layer, step), frame.at(`${q.replace("log_", "")}_high`, layer, step)];
    const log = q.startsWith("log_") && Number.isFinite(low);
    const interval = Number.isFinite(low) ? ` [${number(log ? Math.log10(low) : low)}, ${number(log ? Math.log10(high) : high)}]` : "";
    return `${where}: ${colourLabel(colour, words)} ${number(value)}${colour.minus || minus ? "" : interval}; ${n} ${values}`;
  }
}

/** A name as long as its room in pixels allows. */
function fitting(context, name, room) {
  let letters = Math.min(name.length, Math.floor(room / 3));
  while (letters > 1 && context.measureText(shortened(name, letters)).width > room) letters -= 1;
  return shortened(name, letters);
}

const limited = (x, n) => Math.min(Math.max(x, 0), n - 1);

/** Why a cell is empty, from what the run said about that layer at that step. */
function reason(events, layer, step) {
  const told = events.find(([at, text]) => at === step && text.includes(layer));
  return told ? ` (${told[1]})` : "";
}

function swatch(color, letter, ink) {
  const made = element("span", { class: "swatch", text: letter });
  made.style.background = color;
  made.style.color = ink;
  return made;
}
