// Data that lies in the page itself: compressed, each layer's part unpacked only when it is asked for.

import { densityOf, tableOf } from "./wire.js";

const NONE = 65535; // in place of "no value" among 16-bit numbers; the others are square roots of masses

export class PageSource {
  /** content: the page's own JSON. blob(id): the base64 text of a part. */
  constructor(content, blob) {
    this.content = content;
    this.blob = blob;
  }

  async outline() {
    return this.content.outline;
  }

  async table(run, kind) {
    const { header, blob } = this.content.tables[run][kind];
    return tableOf({ header, array: new Float32Array(unshuffled(await unpacked(this.blob(blob)), 4)) });
  }

  async density(run, kind, layer) {
    const { header, blob } = this.content.densities[run][kind][layer];
    const whole = new Uint16Array(unshuffled(await unpacked(this.blob(blob)), 2));
    return densityOf({ header, array: Float32Array.from(whole, (x) => (x === NONE ? NaN : (x / 65534) ** 2)) });
  }

  async scalars(run, tags) {
    return Object.fromEntries(tags.filter((tag) => tag in this.content.scalars[run]).map((tag) => [tag, this.content.scalars[run][tag]]));
  }

  async events(run) {
    return this.content.events[run];
  }
}

/** Bytes of a gzipped base64 text. */
export async function unpacked(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).arrayBuffer();
}

/** Numbers whose first bytes came first, then their second bytes, ...: they compress better so. */
export function unshuffled(buffer, size) {
  const [from, count] = [new Uint8Array(buffer), buffer.byteLength / size];
  const out = new Uint8Array(from.length);
  for (let b = 0; b < size; b++) for (let i = 0; i < count; i++) out[i * size + b] = from[b * count + i];
  return out.buffer;
}
