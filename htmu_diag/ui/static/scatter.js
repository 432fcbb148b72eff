// Points on two axes with error bars: one a layer. A canvas, so that moving a slider costs as little at 400 layers.

import { element, mark, prepared, theme } from "./dom.js";

const PAD = { left: 48, right: 10, top: 8, bottom: 36 };

export class Scatter {
  /** select(index of the point): a click near it. most: pixels of height. hover text: `now.said(index)`. */
  constructor(parent, select, most = 300) {
    [this.select, this.most] = [select, most];
    this.canvas = element("canvas", { "aria-hidden": "true" });
    this.tip = element("div", { class: "tip", hidden: true });
    this.box = element("div", { class: "scatter", role: "img", onclick: (e) => this.click(e), onpointermove: (e) => this.hover(e), onpointerleave: () => { this.tip.hidden = true; } }, this.canvas, this.tip);
    parent.append(this.box);
    new ResizeObserver(() => { this.width = this.box.clientWidth; if (this.now) this.paint(); }).observe(this.box);
  }

  /**
   * now: {points: [{x, y, x0, x1, y0, y1, color, hollow, cross}], xRange, yRange, xTicks, yTicks ([[place, text]]),
   * xLabel, yLabel, diagonal, title, selected, said}. All in drawn coordinates; what lies beyond is clipped and marked.
   */
  draw(now) {
    this.now = now;
    mark(this.box, "aria-label", now.title);
    this.paint();
  }

  paint() {
    const now = this.now;
    this.width ??= this.box.clientWidth;
    const width = this.width;
    if (width < 60) return;
    const height = Math.min(width * 0.8, this.most);
    this.size = [width, height];
    const pen = prepared(this.canvas, width, height);
    const colours = theme(this.box);
    const [x, y] = [scale(now.xRange, PAD.left, width - PAD.right), scale(now.yRange, height - PAD.bottom, PAD.top)];
    this.places = now.points.map((p) => [x(p.x), y(p.y)]);
    this.axes(pen, x, y, colours);
    if (now.diagonal) line(pen, x(now.xRange[0]), y(now.xRange[0]), x(now.xRange[1]), y(now.xRange[1]), colours.faint, [5, 4]);
    const beyond = (v, [low, high]) => (v < low ? -1 : v > high ? 1 : 0);
    const points = now.points.map((p) => ({ ...p, out: [beyond(p.x, now.xRange), -beyond(p.y, now.yRange)] }));
    drawPoints(pen, points, this.places, x, y, colours, now.selected);
  }

  axes(pen, x, y, colours) {
    const [width, height] = this.size;
    const now = this.now;
    pen.font = "11px system-ui";
    pen.fillStyle = colours.faint;
    for (const [place, text] of now.xTicks) {
      line(pen, x(place), PAD.top, x(place), height - PAD.bottom, colours.line, []);
      pen.textAlign = "center";
      pen.fillText(text, x(place), height - PAD.bottom + 13);
    }
    for (const [place, text] of now.yTicks) {
      line(pen, PAD.left, y(place), width - PAD.right, y(place), colours.line, []);
      pen.textAlign = "right";
      pen.fillText(text, PAD.left - 5, y(place) + 4);
    }
    pen.textAlign = "center";
    pen.fillText(now.xLabel, (PAD.left + width - PAD.right) / 2, height - 5);
    pen.save();
    pen.translate(11, (PAD.top + height - PAD.bottom) / 2);
    pen.rotate(-Math.PI / 2);
    pen.fillText(now.yLabel, 0, 0);
    pen.restore();
  }

  nearest(event) {
    const box = this.box.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    let [best, least] = [-1, 144];
    (this.places ?? []).forEach(([a, b], i) => {
      const distance = (a - x) ** 2 + (b - y) ** 2;
      if (distance < least) [best, least] = [i, distance];
    });
    return { best, x, y };
  }

  click(event) {
    const { best } = this.nearest(event);
    if (best >= 0) this.select(best);
  }

  hover(event) {
    const { best, x, y } = this.nearest(event);
    this.tip.hidden = best < 0;
    if (best < 0) return;
    this.tip.textContent = this.now.said(best);
    this.tip.style.left = `${Math.min(x + 12, this.size[0] - 200)}px`;
    this.tip.style.top = `${y + 14}px`;
  }
}

function scale([low, high], from, to) {
  const [a, b] = [Math.min(from, to), Math.max(from, to)];
  return (value) => Math.min(Math.max(from + ((value - low) / (high - low)) * (to - from), a), b);
}

/** All points: rectangles for bars, one path a colour for signs, since a browser without a GPU pays for each path. */
function drawPoints(pen, points, places, x, y, colours, selected) {
  const drawn = points.map((p, i) => ({ p, at: places[i], i })).filter(({ at }) => at.every(Number.isFinite));
  pen.setLineDash([]);
  pen.globalAlpha = 0.45;
  for (const one of drawn) bars(pen, one, x, y);
  pen.globalAlpha = 1;
  crosses(pen, drawn, x, colours.faint);
  const groups = new Map();
  for (const one of drawn) {
    const key = one.i === selected ? "selected" : `${one.p.color}${one.p.hollow}`;
    if (!groups.has(key)) groups.set(key, []);
    groups.get(key).push(one);
  }
  const top = groups.get("selected") ?? [];
  groups.delete("selected");
  for (const all of groups.values()) dots(pen, all, 4, 1.5, all[0].p.color, colours);
  dots(pen, top, 6, 2.5, colours.ink, colours);
}

function bars(pen, { p, at: [x, y] }, toX, toY) {
  pen.fillStyle = p.color;
  if (Number.isFinite(p.x0)) pen.fillRect(toX(p.x0), y - 0.5, toX(p.x1) - toX(p.x0), 1);
  if (Number.isFinite(p.y0)) pen.fillRect(x - 0.5, toY(p.y1), 1, toY(p.y0) - toY(p.y1));
}

function crosses(pen, drawn, toX, color) {
  pen.strokeStyle = color;
  pen.lineWidth = 1;
  pen.beginPath();
  for (const { p, at: [, y] } of drawn) {
    if (!Number.isFinite(p.cross)) continue;
    const c = toX(p.cross);
    for (const up of [-3, 3]) { pen.moveTo(c - 3, y + up); pen.lineTo(c + 3, y - up); }
  }
  pen.stroke();
}

function dots(pen, all, size, width, edge, colours) {
  if (all.length === 0) return;
  pen.fillStyle = all[0].p.hollow ? colours.page : all[0].p.color;
  pen.strokeStyle = edge;
  pen.lineWidth = width;
  pen.beginPath();
  for (const { p: { out: [right, down] }, at: [x, y] } of all) {
    if (right || down) arrow(pen, x, y, size, Math.atan2(down, right));
    else { pen.moveTo(x + size, y); pen.arc(x, y, size, 0, 7); }
  }
  pen.fill();
  pen.stroke();
}

/** What lies beyond the axes: a triangle at their end that points there. */
function arrow(pen, x, y, size, angle) {
  const corner = (turn) => [x + 1.4 * size * Math.cos(angle + turn), y + 1.4 * size * Math.sin(angle + turn)];
  pen.moveTo(...corner(0));
  for (const turn of [2.3, -2.3]) pen.lineTo(...corner(turn));
  pen.closePath();
}

function line(pen, x0, y0, x1, y1, color, dash) {
  pen.strokeStyle = color;
  pen.lineWidth = 1;
  pen.setLineDash(dash);
  pen.beginPath();
  pen.moveTo(x0, y0);
  pen.lineTo(x1, y1);
  pen.stroke();
  pen.setLineDash([]);
}
