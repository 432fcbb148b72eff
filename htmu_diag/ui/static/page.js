// The page that needs no server: the same views over data in the file itself. Its state lies in its own address.

import { mount } from "./app.js";
import { EVERY } from "./others.js";
import { PageSource } from "./source_page.js";

/** root: where to draw. content: the page's JSON. blob(id): a part's text. */
export function start(root, content, blob) {
  return mount(root, new PageSource(content, blob), pageHost(content.outline.runs.length));
}

/** runs: how many the page was asked for; several are compared. */
function pageHost(runs) {
  const dark = window.matchMedia("(prefers-color-scheme: dark)");
  return {
    defaults: runs > 1 ? { other: EVERY } : {},
    read: () => Object.fromEntries(new URLSearchParams(window.location.hash.slice(1))),
    write: (state) => {
      const query = String(new URLSearchParams(state));
      window.history.replaceState(null, "", query ? `#${query}` : window.location.pathname);
    },
    onAddress: (call) => window.addEventListener("hashchange", call),
    dark: () => dark.matches,
    onTheme: (call) => dark.addEventListener("change", call),
    onReload: () => {},
  };
}
