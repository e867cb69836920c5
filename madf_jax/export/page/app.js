// The page: what its buttons do.

import { Brush } from "./brush.js";
import { Engine } from "./engine.js";
import { readPixels } from "./pixels.js";

const MOST_HISTORY = 400e6; // bytes of earlier images that can be undone to

const part = (id) => document.getElementById(id);
const brush = new Brush(part("mask"), document.querySelector(".tip"), part("size"));
const engine = new Engine((device) => (part("device").textContent = `Runs on ${device}`));

let opened = null; // { name, height, width, original, pixels }
let history = []; // earlier { pixels, strokes }, the last one last

say("");
showSettings();

function say(text) {
  part("status").textContent = text;
  part("error").textContent = "";
}

function complain(text) {
  part("error").textContent = text;
}

async function showSettings() {
  const answer = await fetch("settings.json");
  const { about, runtime } = await answer.json();
  part("about").textContent = about;
  part("runtime").textContent = `(${runtime}).`;
}

// While something is computed, nothing else can be asked for.
async function whileBusy(work) {
  if (document.body.classList.contains("busy")) return;
  document.body.classList.add("busy");
  brush.locked = true;
  try {
    await work();
  } catch (error) {
    say("");
    complain(error.message);
  }
  brush.locked = false;
  document.body.classList.remove("busy");
  part("progress").hidden = true;
  refresh();
}

function refresh() {
  const busy = document.body.classList.contains("busy");
  part("start").hidden = opened !== null;
  part("work").hidden = opened === null;
  part("fill").hidden = busy;
  part("undo").disabled = busy || !(brush.strokes.length || history.length);
  part("clear").disabled = busy || !brush.strokes.length;
  part("another").disabled = busy;
  const unchanged = opened === null || opened.pixels === opened.original;
  for (const id of ["compare", "download"]) part(id).disabled = busy || unchanged;
}

async function open(file) {
  await whileBusy(async () => {
    say("Opening ...");
    const image = await readPixels(file);
    opened = { ...image, original: image.pixels, name: stem(file.name) };
    history = [];
    brush.reset(image.height, image.width);
    choose("brush");
    show(part("before"), opened.original);
    show(part("image"), opened.pixels);
    compare(false);
    say(
      image.exact
        ? "Mark what should disappear, then press Fill."
        : "Mark what should disappear. Half-transparent colors may change by rounding.",
    );
  });
}

function stem(name) {
  return (name || "image").replace(/\.[^.]*$/, "") || "image";
}

function show(canvas, pixels) {
  const { height, width } = opened;
  Object.assign(canvas, { height, width });
  canvas.getContext("2d").putImageData(new ImageData(pixels, width, height), 0, 0);
}

async function fill() {
  await whileBusy(async () => {
    const hole = brush.marked();
    if (!hole.includes(1)) throw new Error("Nothing is marked yet: paint over what should disappear");
    if (!hole.includes(0)) throw new Error("Everything is marked: leave some of the image to go by");
    const { height, width, pixels } = opened;
    const [begun, strokes] = [performance.now(), brush.strokes];
    busyWith("Filling ...");
    const filled = await engine.request({ kind: "fill", pixels, hole, height, width }, (share) => {
      part("progress").value = share;
    });
    part("stop").hidden = true;
    if (filled === null) return say("Stopped.");
    remember({ pixels, strokes });
    brush.restore([]);
    replace(filled);
    say(`Filled in ${((performance.now() - begun) / 1000).toFixed(1)} s`);
  });
  part("stop").hidden = true;
}

function busyWith(text) {
  say(text);
  compare(false);
  part("progress").removeAttribute("value"); // unknown until the first report
  part("progress").hidden = part("stop").hidden = false;
  refresh();
}

function replace(pixels) {
  opened.pixels = pixels;
  show(part("image"), pixels);
}

function remember(state) {
  history.push(state);
  const kept = Math.max(1, Math.floor(MOST_HISTORY / state.pixels.length));
  history = history.slice(-kept);
}

function undo() {
  if (part("undo").disabled) return;
  if (brush.strokes.length) {
    brush.undo();
  } else {
    const { pixels, strokes } = history.pop();
    replace(pixels);
    brush.restore(strokes);
    compare(false);
  }
  say("");
  refresh();
}

function compare(on) {
  part("compare").setAttribute("aria-pressed", on);
  part("before").hidden = part("line").hidden = part("divider").hidden = !on;
  if (on) divide();
}

function divide() {
  const share = part("divider").querySelector("input").value;
  part("before").style.clipPath = `inset(0 ${100 - share}% 0 0)`;
  part("line").style.left = `${share}%`;
}

function choose(tool) {
  brush.erasing = tool === "eraser";
  for (const button of document.querySelectorAll("[data-tool]")) {
    button.setAttribute("aria-pressed", button.dataset.tool === tool);
  }
}

async function download() {
  await whileBusy(async () => {
    const { pixels, height, width, name } = opened;
    const file = await engine.request({ kind: "encode", pixels, height, width });
    const link = document.createElement("a");
    link.href = URL.createObjectURL(file);
    link.download = `${name}_painted.png`;
    link.click();
    setTimeout(() => URL.revokeObjectURL(link.href), 60_000);
  });
}

// What was dropped or pasted.
function take(transfer) {
  const [file] = transfer?.files ?? [];
  if (file) open(file);
  else complain("That holds no image file");
}

part("open").addEventListener("click", () => part("file").click());
part("another").addEventListener("click", () => part("file").click());
part("file").addEventListener("change", ({ target }) => {
  if (target.files.length) open(target.files[0]);
  target.value = ""; // so that the same file can be opened again
});
part("fill").addEventListener("click", fill);
part("stop").addEventListener("click", () => engine.stop());
part("undo").addEventListener("click", undo);
part("clear").addEventListener("click", () => {
  brush.restore([]);
  refresh();
});
part("compare").addEventListener("click", ({ target }) => {
  compare(target.getAttribute("aria-pressed") !== "true");
});
part("divider").addEventListener("input", divide);
part("download").addEventListener("click", download);
part("mask").addEventListener("change", () => {
  complain("");
  refresh();
});
for (const button of document.querySelectorAll("[data-tool]")) {
  button.addEventListener("click", () => choose(button.dataset.tool));
}

document.addEventListener("paste", (event) => take(event.clipboardData));
document.addEventListener("dragover", (event) => {
  event.preventDefault();
  document.body.classList.add("dragging");
});
document.addEventListener("dragleave", () => document.body.classList.remove("dragging"));
document.addEventListener("drop", (event) => {
  event.preventDefault();
  document.body.classList.remove("dragging");
  take(event.dataTransfer);
});
document.addEventListener("keydown", (event) => {
  const key = event.key.toLowerCase();
  if (opened === null || event.altKey) return;
  if (event.ctrlKey || event.metaKey) {
    if (key !== "z") return;
    undo();
  } else if (key === "b") choose("brush");
  else if (key === "e") choose("eraser");
  else if (key === "[" || key === "]") brush.resize(key === "]" ? 5 : -5);
  else return;
  event.preventDefault();
});
