// Elements without a framework. Text is always textContent: names of runs and layers are a user's data.

/** An element with attributes, listeners (onclick: ...) and children (elements or text). */
export function element(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) {
    if (key.startsWith("on")) made.addEventListener(key.slice(2), value);
    else if (key === "text") made.textContent = value;
    else if (value !== false && value !== null && value !== undefined) made.setAttribute(key, value === true ? "" : value);
  }
  made.append(...children.filter((child) => child !== null && child !== undefined));
  return made;
}

/** A labelled select. options: [[value, text], ...]. */
export function choice(label, options, value, onchange, title = "") {
  const select = element("select", { "aria-label": label, title, onchange: () => onchange(select.value) });
  fill(select, options, value);
  return element("label", { class: "choice" }, element("span", { text: label }), select);
}

/** New options for a select; nothing happens where they are the same. */
export function fill(select, options, value) {
  const text = JSON.stringify(options);
  if (select.dataset.options !== text) {
    select.dataset.options = text;
    select.replaceChildren(...options.map(([key, words]) => element("option", { value: key, text: words })));
  }
  select.value = value;
}

/** A canvas for its container's width and a height in CSS pixels, sharp on every screen; returns its context. */
export function prepared(canvas, width, height) {
  const ratio = window.devicePixelRatio || 1;
  const [w, h] = [Math.max(1, Math.round(width * ratio)), Math.max(1, Math.round(height * ratio))];
  if (canvas.width !== w || canvas.height !== h) {
    canvas.width = w;
    canvas.height = h;
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const context = canvas.getContext("2d");
  context.setTransform(ratio, 0, 0, ratio, 0, 0);
  context.clearRect(0, 0, width, height);
  return context;
}

/** New text for an element; nothing happens, and nothing is laid out anew, where it is the same. */
export function say(node, text) {
  if (node.textContent !== text) node.textContent = text;
}

/** A new value of an attribute, where it is another. */
export function mark(node, name, value) {
  if (node.getAttribute(name) !== value) node.setAttribute(name, value);
}

/** An element at a place of its container, in CSS pixels. */
export function place(node, x, y, width, height) {
  node.style.transform = `translate(${x}px, ${y}px)`;
  [node.style.width, node.style.height] = [`${width}px`, `${height}px`];
}

const themes = new WeakMap(); // root -> {dark, colours}: read from the style sheet once a theme

/** Colours of the theme now, from the style sheet. */
export function theme(node) {
  const root = node.closest(".htmu") ?? node;
  const dark = root.classList.contains("dark");
  const known = themes.get(root);
  if (known?.dark === dark) return known.colours;
  const colours = colorsOf(root);
  if (colours.ink) themes.set(root, { dark, colours }); // no ink: the style sheet is not there yet
  return colours;
}

function colorsOf(root) {
  const style = getComputedStyle(root);
  const read = (name) => style.getPropertyValue(`--${name}`).trim();
  return { ink: read("ink"), faint: read("faint"), line: read("line"), page: read("page"), soft: read("soft"), bar: read("bar"), red: read("red"), blue: read("blue"), orange: read("orange"), green: read("green"), violet: read("violet"), brown: read("brown"), ...Object.fromEntries([1, 2, 3, 4, 5, 6].map((n) => [`run${n}`, read(`run${n}`)])) };
}

/** A pattern of thin diagonal lines: "no value here". */
export function hatch(context, colour) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 6;
  const pen = tile.getContext("2d");
  pen.strokeStyle = colour;
  pen.globalAlpha = 0.5;
  pen.beginPath();
  for (const shift of [-6, 0, 6]) { pen.moveTo(shift, 6); pen.lineTo(shift + 6, 0); }
  pen.stroke();
  return context.createPattern(tile, "repeat");
}
