// Data from the plugin's routes; addresses are relative to the plugin's base.

import { densityOf, tableOf, unframed } from "./wire.js";

export class TensorBoardSource {
  /** first: the answer to the first question for the outline, asked before this module was there. */
  constructor(first = null) {
    this.first = first;
  }

  async outline() {
    const first = this.first;
    this.first = null;
    return (await (first ? checked(await first) : answer("runs"))).json();
  }

  async table(run, kind, names) {
    return tableOf(unframed(await (await answer("table", { run, kind, q: names.join(",") })).arrayBuffer()));
  }

  async density(run, kind, layer) {
    return densityOf(unframed(await (await answer("density", { run, kind, layer })).arrayBuffer()));
  }

  async scalars(run, tags) {
    return (await answer("scalars", { run }, tags)).json();
  }

  async events(run) {
    return (await answer("events", { run })).json();
  }
}

async function answer(path, parts = {}, tags = []) {
  const query = new URLSearchParams(parts);
  for (const tag of tags) query.append("tag", tag);
  const address = query.size ? `${path}?${query}` : path;
  return checked(await fetch(new URL(address, document.baseURI), { credentials: "same-origin" }));
}

/** The answer itself; what was refused is said in the server's words. */
async function checked(response) {
  if (!response.ok) throw new Error(await response.text());
  return response;
}
