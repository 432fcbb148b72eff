// Arrays as they come over the wire, and a source that keeps what it has fetched.

/** A message of `ui.wire.framed`: {header, array}. */
export function unframed(buffer) {
  const length = new DataView(buffer).getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(new Uint8Array(buffer, 4, length)));
  return { header, array: new Float32Array(buffer, 4 + length) };
}

/** {layers, steps, values: {quantity: Float32Array}} of a table's message. */
export function tableOf({ header, array }) {
  const size = header.shape[1] * header.shape[2];
  const values = Object.fromEntries(header.quantities.map((name, i) => [name, array.subarray(i * size, (i + 1) * size)]));
  return { layers: header.layers, steps: header.steps, values };
}

/** {first, per, bins, steps, rows: {mass, law | negative}, unit, method, matrix} of a layer's densities. */
export function densityOf({ header, array }) {
  const [, steps, bins] = header.shape;
  const rows = Object.fromEntries(header.rows.map((name, i) => [name, array.subarray(i * steps * bins, (i + 1) * steps * bins)]));
  return { ...header, bins, rows };
}

/** Remembers each answer of a source until it is told to forget. `limit`: densities kept. */
export class Kept {
  constructor(source, limit = 60) {
    this.source = source;
    this.limit = limit;
    this.known = new Map();
  }

  forget() {
    this.known.clear();
    this.source.forget?.();
  }

  outline() {
    return this.once("outline", () => this.source.outline());
  }

  table(run, kind, names) {
    return this.once(`table ${run} ${kind}`, () => this.source.table(run, kind, names));
  }

  density(run, kind, layer) {
    return this.once(`density ${run} ${kind} ${layer}`, () => this.source.density(run, kind, layer));
  }

  scalars(run, tags) {
    return tags.length ? this.once(`scalars ${run} ${tags.join(" ")}`, () => this.source.scalars(run, tags)) : Promise.resolve({});
  }

  events(run) {
    return this.once(`events ${run}`, () => this.source.events(run));
  }

  once(key, make) {
    if (!this.known.has(key)) {
      const promise = Promise.resolve().then(make);
      promise.catch(() => this.known.delete(key));
      this.known.set(key, promise);
      const densities = [...this.known.keys()].filter((k) => k.startsWith("density"));
      if (densities.length > this.limit) this.known.delete(densities[0]);
    }
    return this.known.get(key);
  }
}
