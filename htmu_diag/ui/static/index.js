// The tab of TensorBoard: it loads this module into its frame and calls render(). What is needed first is asked for at
// once: by their imports the browser would find the modules one after another, and the data after the last of them.

/** Everything that app.js imports, as in `ui.files`. */
export const MODULES = [
  "vendor/uPlot.esm.js", "format.js", "colors.js", "laws.js", "frame.js", "words.js", "state.js", "others.js", "dom.js", "wire.js", "chart.js", "heatmap.js",
  "firsts.js", "fitted.js", "spectrum.js", "history.js", "curves.js", "scatter.js", "prediction.js", "causes.js", "compare.js", "load.js", "path.js", "table.js", "help.js",
  "controls.js", "app.js",
];

const outline = fetch(new URL("runs", document.baseURI), { credentials: "same-origin" });
outline.catch(() => {}); // told where it is waited for
for (const name of [...MODULES, "host_tensorboard.js", "source_tensorboard.js"]) linked("modulepreload", name);
const styles = ["vendor/uPlot.min.css", "style.css"].map((name) => linked("stylesheet", name));

/** A file beside this one, asked for now; done once it is there (or could not be had). */
function linked(rel, name) {
  const link = document.createElement("link");
  [link.rel, link.href] = [rel, new URL(name, import.meta.url).href];
  const done = new Promise((call) => { link.onload = link.onerror = call; });
  document.head.append(link);
  return done;
}

export async function render() {
  document.title = "Spectra";
  const [{ mount }, { tensorBoardHost }, { TensorBoardSource }] = await Promise.all([import("./app.js"), import("./host_tensorboard.js"), import("./source_tensorboard.js")]);
  await Promise.all(styles);
  const root = document.createElement("main");
  document.body.append(root);
  await mount(root, new TensorBoardSource(outline), tensorBoardHost());
}
