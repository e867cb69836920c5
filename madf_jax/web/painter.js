// A mask painted over an image. What is marked is opaque in a canvas of the image's size.
//
// Gradio's own image editor encodes the image again, and shows a mask that it is given in the wrong
// place (6.31). Runs once, when `element` is there; the page's buttons use `painter`.

const COLOR = "#e6283c";
const GROWTH = 5; // pixels
const image = element.querySelector("img");
const canvas = element.querySelector("canvas");
const tip = element.querySelector(".tip");
const size = element.querySelector("input");
const context = canvas.getContext("2d");

let edits = []; // from the first on; each is a function that draws
let erasing = false;
let stroke = null; // that is being painted: a list of points
let cursor = { x: 0, y: 0 };

const edit = {
  clear: () => () => context.clearRect(0, 0, canvas.width, canvas.height),
  invert: () => () => fill("source-out"),
  grow: () => () => {
    const before = copyOfCanvas();
    for (let angle = 0; angle < 2 * Math.PI; angle += Math.PI / 16) {
      context.drawImage(before, GROWTH * Math.cos(angle), GROWTH * Math.sin(angle));
    }
  },
  stroke: (points, width, erases) => () => {
    context.globalCompositeOperation = erases ? "destination-out" : "source-over";
    Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round" });
    context.strokeStyle = COLOR;
    context.beginPath();
    context.moveTo(points[0].x - 0.01, points[0].y); // else a point alone would draw nothing
    points.forEach((point) => context.lineTo(point.x, point.y));
    context.stroke();
    context.globalCompositeOperation = "source-over";
  },
  mask: (marked) => () => {
    edit.clear()();
    context.drawImage(marked, 0, 0, canvas.width, canvas.height);
  },
};

function apply(change) {
  edits.push(change);
  change();
}

function undo() {
  edits.pop();
  edit.clear()();
  edits.forEach((change) => change());
}

function fill(operation) {
  context.globalCompositeOperation = operation;
  context.fillStyle = COLOR;
  context.fillRect(0, 0, canvas.width, canvas.height);
  context.globalCompositeOperation = "source-over";
}

function copyOfCanvas() {
  const copy = document.createElement("canvas");
  [copy.width, copy.height] = [canvas.width, canvas.height];
  copy.getContext("2d").drawImage(canvas, 0, 0);
  return copy;
}

// The slider's middle is a brush of about an eighth of the shorter side.
function width() {
  return Math.max(2, (Math.min(canvas.width, canvas.height) * size.value ** 1.5) / 2500);
}

function choose(tool) {
  erasing = tool === "eraser";
  element.querySelectorAll("[data-tool]").forEach((button) => {
    button.setAttribute("aria-pressed", button.dataset.tool === tool);
  });
}

function placeOf(event) {
  const box = canvas.getBoundingClientRect();
  return {
    x: ((event.clientX - box.left) * canvas.width) / box.width,
    y: ((event.clientY - box.top) * canvas.height) / box.height,
  };
}

function showTip() {
  const scale = canvas.clientWidth / canvas.width;
  tip.hidden = false;
  tip.style.width = tip.style.height = `${width() * scale}px`;
  tip.style.left = `${cursor.x * scale}px`;
  tip.style.top = `${cursor.y * scale}px`;
}

function begin() {
  stroke = [cursor];
  apply(edit.stroke(stroke, width(), erasing));
}

function move(to) {
  cursor = to;
  showTip();
  if (!stroke) return;
  const last = stroke[stroke.length - 1];
  stroke.push(cursor);
  edit.stroke([last, cursor], width(), erasing)();
}

canvas.addEventListener("pointerdown", (event) => {
  if (event.button !== 0 || !event.isPrimary) return;
  canvas.setPointerCapture(event.pointerId);
  move(placeOf(event));
  begin();
});
canvas.addEventListener("pointermove", (event) => event.isPrimary && move(placeOf(event)));
canvas.addEventListener("pointerup", () => (stroke = null));
canvas.addEventListener("pointercancel", () => (stroke = null));
canvas.addEventListener("pointerleave", () => (tip.hidden = true));
// A quick stroke is no fling: the browser would take the next tap, on "Fill" say, for its end.
canvas.addEventListener("touchstart", (event) => event.preventDefault());
canvas.addEventListener("focus", showTip);
canvas.addEventListener("blur", () => (tip.hidden = true));
size.addEventListener("input", () => {
  cursor = { x: canvas.width / 2, y: canvas.height / 2 };
  showTip();
});
size.addEventListener("change", () => (tip.hidden = true));

const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

canvas.addEventListener("keydown", (event) => {
  const step = width() / 3;
  if (event.key in ARROWS) {
    const [x, y] = ARROWS[event.key];
    const clamp = (value, most) => Math.min(Math.max(value, 0), most);
    move({
      x: clamp(cursor.x + x * step, canvas.width),
      y: clamp(cursor.y + y * step, canvas.height),
    });
  } else if (event.key === " ") {
    if (!stroke) begin();
  } else if (event.key === "z" && (event.ctrlKey || event.metaKey)) undo();
  else if (event.key === "b") choose("brush");
  else if (event.key === "e") choose("eraser");
  else if (event.key === "[" || event.key === "]") {
    size.value = Number(size.value) + (event.key === "]" ? 5 : -5);
    showTip();
  } else return;
  event.preventDefault();
});
canvas.addEventListener("keyup", (event) => {
  if (event.key === " ") stroke = null;
});

element.querySelector(".tools").addEventListener("click", (event) => {
  const { tool, edit: name } = event.target.dataset;
  if (tool) choose(tool);
  if (name === "undo") undo();
  else if (name) apply(edit[name]());
});

async function decoded(url) {
  const loaded = new Image();
  loaded.src = url;
  await loaded.decode();
  return loaded;
}

window.painter = {
  // Shows an image with nothing marked.
  async open(url) {
    image.src = url;
    await image.decode();
    [canvas.width, canvas.height] = [image.naturalWidth, image.naturalHeight];
    cursor = { x: canvas.width / 2, y: canvas.height / 2 };
    edits = [];
    choose("brush");
    canvas.dataset.open = "";
  },
  close() {
    delete canvas.dataset.open;
  },
  // Marks what is opaque in an image.
  async load(url) {
    const marked = await decoded(url);
    apply(edit.mask(marked));
  },
  // The mask as a PNG in a data URL, marked = black.
  mask() {
    const mask = copyOfCanvas();
    const drawing = mask.getContext("2d");
    drawing.globalCompositeOperation = "source-in";
    drawing.fillRect(0, 0, mask.width, mask.height);
    drawing.globalCompositeOperation = "destination-over";
    drawing.fillStyle = "white";
    drawing.fillRect(0, 0, mask.width, mask.height);
    return mask.toDataURL("image/png");
  },
  // Scrolls a part of the page into view.
  show(id) {
    const part = document.getElementById(id);
    part.scrollIntoView({ behavior: "smooth", block: "nearest" });
  },
};
