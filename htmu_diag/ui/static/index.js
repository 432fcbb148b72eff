// The tab of TensorBoard: it loads this module into its frame and calls render().

import { mount } from "./app.js";
import { tensorBoardHost } from "./host_tensorboard.js";
import { TensorBoardSource } from "./source_tensorboard.js";

export async function render() {
  document.title = "Spectra";
  for (const name of ["static/vendor/uPlot.min.css", "static/style.css"]) {
    const link = document.createElement("link");
    link.rel = "stylesheet";
    link.href = new URL(name, document.baseURI).href;
    const loaded = new Promise((done) => { link.onload = link.onerror = done; });
    document.head.append(link);
    await loaded;
  }
  const root = document.createElement("main");
  document.body.append(root);
  await mount(root, new TensorBoardSource(), tensorBoardHost());
}
