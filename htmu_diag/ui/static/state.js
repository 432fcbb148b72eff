// The one state that drives every view. It is kept as text in the address, so that a view can be sent as a link.

/** What a fresh page shows. An empty step means the newest one, and follows a run that grows. */
export const DEFAULTS = {
  run: "", other: "", kind: "weights", colour: "phase", layer: "", step: "", ghost: "", draw: "density",
  order: "model", raw: "", minus: "", view: "prediction", align: "step",
};

const PAUSE = 200; // milliseconds between writes of the address: browsers refuse more than 200 in half a minute

export class State {
  /** host: read() gives the keys of the address, write(state) keeps them, onAddress(call) tells of another address; defaults: what a fresh page of it shows otherwise. */
  constructor(host) {
    this.host = host;
    this.fresh = { ...DEFAULTS, ...host.defaults };
    this.now = { ...this.fresh, ...known(host.read()) };
    this.listeners = [];
    host.onAddress?.(() => this.follow());
  }

  /** A link was opened in this page: show what it says. An address without a key of ours is given those of the view. */
  follow() {
    const wanted = known(this.host.read());
    if (Object.keys(wanted).length) this.set({ ...this.fresh, ...wanted });
    else this.keep();
  }

  get(key) {
    return this.now[key];
  }

  /** Change some keys; listeners hear which ones changed. */
  set(changes) {
    const changed = Object.keys(known(changes)).filter((key) => this.now[key] !== String(changes[key]));
    if (changed.length === 0) return;
    for (const key of changed) this.now[key] = String(changes[key]);
    this.keep();
    for (const listener of this.listeners) listener(new Set(changed));
  }

  /** Write the address: at once, or with what is true then once the last write is long enough ago. */
  keep() {
    if (this.waiting) return;
    const left = PAUSE - (Date.now() - (this.kept ?? 0));
    if (left > 0) {
      this.waiting = setTimeout(() => { this.waiting = 0; this.keep(); }, left);
    } else {
      this.kept = Date.now();
      this.host.write(this.parts());
    }
  }

  onChange(listener) {
    this.listeners.push(listener);
  }

  /** The keys that differ from a fresh page. */
  parts() {
    return Object.fromEntries(Object.entries(this.now).filter(([key, value]) => value !== this.fresh[key]));
  }
}

/** Only keys that exist, as text. */
export function known(parts) {
  return Object.fromEntries(Object.entries(parts ?? {}).filter(([key]) => key in DEFAULTS).map(([k, v]) => [k, String(v)]));
}
