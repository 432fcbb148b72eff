// The same views inside a notebook: data comes from the kernel, a message and an answer each.

import { mount } from "./app.js";
import { EVERY } from "./others.js";
import { densityOf, tableOf, unframed } from "./wire.js";

/** model: of anywidget. el: where to draw. */
export async function start(model, el) {
  const root = document.createElement("div");
  root.classList.add("embedded");
  el.append(root);
  const source = new KernelSource(model);
  const { runs } = await source.outline();
  await mount(root, source, notebookHost(runs.length));
}

class KernelSource {
  constructor(model) {
    this.model = model;
    this.waiting = new Map();
    this.asked = 0;
    model.on("msg:custom", (content, buffers) => {
      const answer = this.waiting.get(content.id);
      this.waiting.delete(content.id);
      if (content.error) answer?.fail(new Error(content.error));
      else answer?.done(buffers?.length ? unframed(whole(buffers[0])) : content.content);
    });
  }

  ask(what, parts = {}) {
    const id = ++this.asked;
    const answer = new Promise((done, fail) => this.waiting.set(id, { done, fail }));
    this.model.send({ id, what, ...parts });
    return answer;
  }

  outline() {
    return this.ask("outline");
  }

  async table(run, kind) {
    return tableOf(await this.ask("table", { run, kind }));
  }

  async density(run, kind, layer) {
    return densityOf(await this.ask("density", { run, kind, layer }));
  }

  scalars(run, tags) {
    return this.ask("scalars", { run, tags });
  }

  events(run) {
    return this.ask("events", { run });
  }
}

/** The bytes of a buffer by themselves, so that numbers in it are aligned. */
function whole(view) {
  return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
}

/** runs: how many were given to show(); several are compared. */
function notebookHost(runs) {
  let kept = {};
  const light = () => document.body.dataset.jpThemeLight;
  return {
    defaults: runs > 1 ? { other: EVERY } : {},
    read: () => kept,
    write: (state) => { kept = state; },
    dark: () => (light() === undefined ? window.matchMedia("(prefers-color-scheme: dark)").matches : light() === "false"),
    onTheme: (call) => new MutationObserver(call).observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light"] }),
    onReload: () => {},
  };
}
