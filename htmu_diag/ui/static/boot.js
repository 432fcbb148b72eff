// Modules held as text become modules: each import of a neighbour is given the address of its blob. modules: [[name,
// text], ...] in the order of their imports; returns the last one's exports.
async function boot(modules) {
  const made = {};
  for (const [name, text] of modules) {
    const linked = text.replace(/from "\.\/([^"]+)"/g, (_, wanted) => `from "${made[wanted]}"`);
    made[name] = URL.createObjectURL(new Blob([linked], { type: "text/javascript" }));
  }
  return import(made[modules[modules.length - 1][0]]);
}

/** The JSON of a gzipped base64 text. */
async function unpackedJson(base64) {
  const bytes = Uint8Array.from(atob(base64), (c) => c.charCodeAt(0));
  return new Response(new Blob([bytes]).stream().pipeThrough(new DecompressionStream("gzip"))).json();
}
