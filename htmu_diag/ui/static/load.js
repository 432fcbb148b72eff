// What the state asks for, fetched: of the run that is shown and of those beside it.

import { equalLoss } from "./compare.js";
import { Frame, NEEDED } from "./frame.js";
import { chosen, lineOf, MOST } from "./others.js";
import { DEFAULTS } from "./state.js";

const NO_RUN = "No spectra in this log directory yet. Add two lines to a training: monitor = htmu_diag.watch(model, optimizer, log_dir=\"runs/mine\"), and monitor.close() at its end; then press reload.";
const ONE_RUN = "There is only one run here. Start TensorBoard on the folder above several runs, or give `htmu report` two of them.";

export class Loader {
  constructor(source, state) {
    this.source = source;
    this.state = state;
    this.frames = new WeakMap();
  }

  /** All that the views draw from; `problem` says why there is nothing. */
  async load() {
    const { runs, words } = await this.source.outline();
    if (runs.length === 0) return { runs, words, problem: NO_RUN };
    const wanted = this.state.get("run");
    const outline = runs.find((run) => run.name === wanted) ?? runs[runs.length - 1];
    const kinds = Object.keys(outline.kinds);
    const asked = this.state.get("kind");
    const kind = kinds.includes(asked) ? asked : kinds[0];
    const beside = chosen(this.state.get("other"), runs, outline.name);
    this.foresee(outline, kind, beside.found);
    const [frame, events, curve] = await Promise.all([this.frame(outline, kind), this.source.events(outline.name), this.loss(outline)]);
    const layer = Math.max(frame.layerIndex(this.state.get("layer")), 0);
    const name = frame.names[layer];
    const [density, other] = await Promise.all([this.density(outline, kind, name), this.others(runs, beside, outline, kind, name, curve)]);
    const missing = [
      wanted && outline.name !== wanted ? `The run "${wanted}" is not here; this is "${outline.name}".` : asked !== kind && asked !== DEFAULTS.kind ? `This run has no spectra of kind "${asked}"; these are "${kind}". Add the probe to watch(probes=[...]).` : "",
      this.state.get("layer") && name !== this.state.get("layer") ? `The layer "${this.state.get("layer")}" is not in this run; this is "${name}".` : "",
      ...other.notes,
    ].filter(Boolean);
    return { runs, words, outline, kind, frame, layer, density, events, missing: missing.slice(0, 2).join(" "), curve, ...other };
  }

  /** Ask for what will be drawn beside the table, by the outline's order of layers; kept for `load`. */
  foresee(outline, kind, others) {
    const names = outline.kinds[kind].layers.map((layer) => layer.name);
    const wanted = this.state.get("layer");
    const asked = [this.density(outline, kind, names.includes(wanted) ? wanted : names[0])];
    for (const one of others) if (kind in one.kinds) asked.push(this.frame(one, kind), this.loss(one));
    for (const promise of asked) promise.catch(() => {}); // told where it is drawn
  }

  /** The runs beside this one: {beside: [...], other (the first of them), why, notes, ...}. */
  async others(runs, { found, left, gone }, outline, kind, layer, curve) {
    const notes = gone.map((name) => `The run "${name}" is not here.`);
    if (left) notes.push(`${MOST} of ${MOST + left} other runs are drawn.`);
    const none = { other: null, beside: [], notes };
    if (found.length === 0) return { ...none, why: runs.length < 2 ? ONE_RUN : "Choose a run under \"compare with\"." };
    const lacking = (one) => `The run "${one.name}" has no spectra of kind "${kind}".`;
    const those = found.filter((one) => kind in one.kinds);
    notes.push(...found.filter((one) => !(kind in one.kinds)).map(lacking));
    const [first] = those;
    if (!first) return { ...none, notes, otherOutline: found[0], why: lacking(found[0]) };
    const losses = outline.scalars.filter((tag) => first.scalars.includes(tag) && !tag.startsWith("summary/"));
    const align = this.state.get("align");
    const [mine, theirs] = await Promise.all([this.source.scalars(outline.name, losses), this.source.scalars(first.name, losses)]);
    const tag = align !== "step" && mine[align] && theirs[align] ? align : "";
    const all = await Promise.all(those.map((one, n) => this.beside(one, kind, tag ? [tag, mine[tag]] : null, curve?.tag, n)));
    notes.push(...all.filter((one) => !one.frame).map((one) => `The run "${one.name}" has no ${tag}: its curves are left out.`));
    const beside = all.filter((one) => one.frame);
    const density = beside[0].frame.layerIndex(layer) < 0 ? null : await this.density(first, kind, layer);
    return { beside, other: { ...beside[0], density }, otherOutline: first, losses, mine, others: theirs, alignTag: tag, notes };
  }

  /** One of them: its numbers, its loss, and how its line looks; without a frame where it cannot be aligned. */
  async beside(outline, kind, aligned, tag, n) {
    const [frame, curve, curves] = await Promise.all([this.frame(outline, kind), this.loss(outline, tag), aligned ? this.source.scalars(outline.name, [aligned[0]]) : {}]);
    const one = { name: outline.name, outline, curve, line: lineOf(n), toOther: null };
    if (!aligned) return { ...one, frame };
    const theirs = curves[aligned[0]];
    return theirs ? { ...one, frame, toOther: equalLoss(aligned[1], theirs) } : { ...one, frame: null };
  }

  /** The training's loss, by its tag: one that says so, or the first that ends so; null where none is logged. */
  async loss(outline, tag = lossOf(outline.scalars)) {
    if (!tag || !outline.scalars.includes(tag)) return null;
    const points = (await this.source.scalars(outline.name, [tag]))[tag];
    return points?.length ? { tag, points: points.filter(([, value]) => value !== null) } : null;
  }

  async frame(outline, kind) {
    const table = await this.source.table(outline.name, kind, NEEDED.filter((name) => outline.kinds[kind].quantities.includes(name)));
    if (!this.frames.has(table)) this.frames.set(table, new Frame(outline.kinds[kind], table));
    return this.frames.get(table);
  }

  async density(outline, kind, layer) {
    const about = outline.kinds[kind].layers.find((one) => one.name === layer);
    return about?.rows ? this.source.density(outline.name, kind, layer) : null;
  }
}

/** "train/loss" before "test/loss", which is measured more rarely. */
function lossOf(tags) {
  const losses = tags.filter((name) => name.endsWith("loss"));
  return losses.find((name) => name.includes("train")) ?? losses[0];
}
