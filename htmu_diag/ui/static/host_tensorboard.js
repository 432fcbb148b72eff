// What surrounds the views inside TensorBoard: its address, its dark mode, its reload button. Opened without TensorBoard
// around it, the frame is its own surroundings.
// The message channel is the part that TensorBoard calls experimental; nothing else depends on it.

const HASH = "#htmu";
const PREFIX = "p.htmu.";

export function tensorBoardHost() {
  const outer = window.parent;
  const reloads = [];
  listen(outer, () => reloads.forEach((call) => call()));
  return {
    read: () => parts(outer.location.hash),
    write: (state) => {
      if (!outer.location.hash.startsWith(HASH)) return;
      const query = new URLSearchParams(Object.entries(state).map(([key, value]) => [PREFIX + key, value]));
      outer.history.replaceState(outer.history.state, "", `${HASH}${query.size ? `&${query}` : ""}`);
    },
    onAddress: (call) => outer.addEventListener("hashchange", () => outer.location.hash.startsWith(HASH) && call()),
    dark: () => outer.document.body.classList.contains("dark-mode"),
    onTheme: (call) => new MutationObserver(call).observe(outer.document.body, { attributes: true, attributeFilter: ["class"] }),
    onReload: (call) => reloads.push(call),
  };
}

/** The keys of ours in TensorBoard's address. */
export function parts(hash) {
  const query = new URLSearchParams(hash.replace(/^#[^&]*&?/, ""));
  return Object.fromEntries([...query].filter(([key]) => key.startsWith(PREFIX)).map(([key, value]) => [key.slice(PREFIX.length), value]));
}

function listen(outer, onReload) {
  if (outer === window) return;
  const channel = new MessageChannel();
  channel.port1.onmessage = (event) => {
    const message = JSON.parse(event.data);
    if (message.isReply) return;
    if (message.type === "experimental.DataReloaded") onReload();
    channel.port1.postMessage(JSON.stringify({ type: message.type, id: message.id, payload: null, error: null, isReply: true }));
  };
  outer.postMessage("experimental.bootstrap", "*", [channel.port2]);
}
