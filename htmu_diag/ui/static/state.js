// The one state that drives every view. It is kept as text in the address, so that a view can be sent as a link.

/** What a fresh page shows. An empty step means the newest one, and follows a run that grows. */
export const DEFAULTS = {
  run: "", other: "", kind: "weights", colour: "phase", layer: "", step: "", ghost: "", draw: "density",
  order: "model", raw: "", minus: "", view: "prediction", align: "step",
};

export class State {
  /** host: read() gives the keys of the address, write(state) keeps them. */
  constructor(host) {
    this.host = host;
    this.now = { ...DEFAULTS, ...known(host.read()) };
    this.listeners = [];
  }

  get(key) {
    return this.now[key];
  }

  /** Change some keys; listeners hear which ones changed. */
  set(changes) {
    const changed = Object.keys(known(changes)).filter((key) => this.now[key] !== String(changes[key]));
    if (changed.length === 0) return;
    for (const key of changed) this.now[key] = String(changes[key]);
    this.host.write(this.parts());
    for (const listener of this.listeners) listener(new Set(changed));
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  /** The keys that differ from a fresh page. */
  parts() {
    return Object.fromEntries(Object.entries(this.now).filter(([key, value]) => value !== DEFAULTS[key]));
  }
}

/** Only keys that exist, as text. */
export function known(parts) {
  return Object.fromEntries(Object.entries(parts ?? {}).filter(([key]) => key in DEFAULTS).map(([k, v]) => [k, String(v)]));
}
