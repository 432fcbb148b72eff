// The tab of TensorBoard: it loads this module into its frame and calls render().

import { mount } from "./app.js";
import { tensorBoardHost } from "./host_tensorboard.js";
import { TensorBoardSource } from "./source_tensorboard.js";

/** A style sheet, once it is there (or could not be had). */
function styled(name) {
  const link = document.createElement("link");
  link.rel = "stylesheet";
  link.href = new URL(name, document.baseURI).href;
  const loaded = new Promise((done) => { link.onload = link.onerror = done; });
  document.head.append(link);
  return loaded;
}

export async function render() {
  document.title = "Spectra";
  await Promise.all(["static/vendor/uPlot.min.css", "static/style.css"].map(styled));
  const root = document.createElement("main");
  document.body.append(root);
  await mount(root, new TensorBoardSource(), tensorBoardHost());
}
