// The whole history of one layer's spectrum: measurements to the right, log eigenvalue upward, mass as darkness, the
// bulk's edge and xmin as lines. Every eigenvalue that leaves the edge of noise is seen leaving it.

import { css, cividis } from "./colors.js";
import { element, mark, place, prepared, theme } from "./dom.js";
import { logLabels } from "./format.js";
import { logTicks } from "./chart.js";
import { stepTicks } from "./laws.js";
import { twoSided } from "./spectrum.js";

const [LEFT, BOTTOM, FLOOR] = [52, 18, 6];

export class HistoryView {
  /** select(measurement index): a click. */
  constructor(parent, select) {
    this.select = select;
    this.cells = element("canvas", { "aria-hidden": "true" });
    this.line = element("div", { class: "mark moment", "aria-hidden": "true" });
    this.box = element("div", { class: "history", role: "img", onclick: (e) => this.click(e) }, this.cells, this.line);
    parent.append(this.box);
    new ResizeObserver(() => this.now && this.paint()).observe(this.box);
  }

  /** now: {density, frame, layer, step, title}. */
  draw(now) {
    const before = this.now;
    this.now = now;
    mark(this.box, "aria-label", now.title);
    const same = before && ["density", "frame", "layer", "dark"].every((key) => before[key] === now[key]);
    if (same && this.width >= 60) this.mark(); // another width: the observer paints
    else this.paint();
  }

  paint() {
    this.width = this.box.clientWidth;
    this.height = 190;
    if (this.width < 60) return;
    const { density, frame } = this.now;
    this.colours = theme(this.box);
    this.top = (density.first + density.bins) / density.per;
    this.low = Math.max(density.first / density.per, this.top - FLOOR);
    this.columnWidth = (this.width - LEFT - 6) / frame.steps.length;
    const context = prepared(this.cells, this.width, this.height);
    this.paintCells(context);
    this.paintAxes(context);
    this.paintLine(context, "bulk_edge", "#2e9e5b");
    this.paintLine(context, "xmin", "#e4572e");
    this.mark();
  }

  y(log) {
    return (this.height - BOTTOM) * (1 - (log - this.low) / (this.top - this.low));
  }

  paintCells(context) {
    const { density, frame } = this.now;
    const total = density.rows.negative && twoSided(density) ? density.rows.mass.map((m, i) => m + density.rows.negative[i]) : density.rows.mass;
    const least = Math.log10(1 / Math.max(frame.at("dimension", Math.max(this.now.layer, 0), 0) || 1000, 10)) - 0.3;
    const start = Math.round((this.low - density.first / density.per) * density.per);
    const rows = density.bins - start;
    const columns = frame.steps.length;
    const image = new ImageData(columns, rows);
    const where = new Map(density.steps.map((step, i) => [step, i]));
    frame.steps.forEach((step, column) => {
      const at = where.get(step);
      if (at === undefined) return;
      for (let r = 0; r < rows; r++) {
        const mass = total[at * density.bins + start + r];
        if (!(mass > 0)) continue;
        const [red, green, blue] = cividis(0.25 + (0.75 * (Math.log10(mass) - least)) / (-1 - least));
        image.data.set([red, green, blue, 255], 4 * ((rows - 1 - r) * columns + column));
      }
    });
    const small = document.createElement("canvas");
    [small.width, small.height] = [columns, rows];
    small.getContext("2d").putImageData(image, 0, 0);
    context.fillStyle = css([16, 20, 32]);
    context.fillRect(LEFT, 0, this.columnWidth * columns, this.height - BOTTOM);
    context.imageSmoothingEnabled = false;
    context.drawImage(small, LEFT, 0, this.columnWidth * columns, this.height - BOTTOM);
  }

  paintAxes(context) {
    context.font = "11px system-ui";
    context.fillStyle = this.colours.faint;
    context.textAlign = "right";
    context.textBaseline = "middle";
    const ticks = logTicks(this.low, this.top, 7);
    const labels = logLabels(ticks);
    for (const [i, k] of ticks.entries()) context.fillText(labels[i], LEFT - 6, Math.min(Math.max(this.y(k), 6), this.height - BOTTOM - 5));
    context.textAlign = "center";
    context.textBaseline = "top";
    for (const [place, text] of stepTicks(this.now.frame.steps, this.width - LEFT)) {
      const last = this.width - context.measureText(text).width / 2;
      context.fillText(text, Math.min(LEFT + (place + 0.5) * this.columnWidth, last), this.height - BOTTOM + 3);
    }
  }

  paintLine(context, name, color) {
    const { frame, layer } = this.now;
    if (layer < 0) return;
    context.save();
    context.beginPath();
    context.rect(LEFT, 0, this.width - LEFT, this.height - BOTTOM);
    context.clip();
    context.strokeStyle = color;
    context.lineWidth = 1.5;
    context.beginPath();
    let drawn = false;
    frame.row(name, layer).forEach((value, i) => {
      const known = value > 0 && Number.isFinite(value);
      const y = known ? this.y(Math.log10(value)) : NaN;
      if (!known) { drawn = false; return; }
      const x = LEFT + (i + 0.5) * this.columnWidth;
      if (drawn) context.lineTo(x, y);
      else context.moveTo(x, y);
      drawn = true;
    });
    context.stroke();
    context.restore();
  }

  /** The selected measurement: an element that moves above the picture. */
  mark() {
    place(this.line, LEFT + (this.now.step + 0.5) * this.columnWidth, 0, 0, this.height - BOTTOM);
  }

  click(event) {
    const x = event.clientX - this.box.getBoundingClientRect().left - LEFT;
    const at = Math.floor(x / this.columnWidth);
    if (at >= 0 && at < this.now.frame.steps.length) this.select(at);
  }
}
