// A mask painted over an image. What is marked is opaque in a canvas of the image's size.

const COLOR = "#e6283c";
const MARKED = 128; // of 255: how opaque a pixel must be to count as marked
const ARROWS = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };

/** Brush and eraser on a canvas, by mouse, finger, pen and keyboard. */
export class Brush {
  /**
   * @param canvas that is painted on.
   * @param tip an element that shows where the brush is and how wide.
   * @param size an input from 1 to 100.
   */
  constructor(canvas, tip, size) {
    Object.assign(this, { canvas, tip, size, locked: false, erasing: false });
    this.context = canvas.getContext("2d", { willReadFrequently: true });
    this.reset(1, 1);
    this.listen();
  }

  /** Begins with nothing marked. */
  reset(height, width) {
    Object.assign(this.canvas, { height, width });
    this.cursor = { x: width / 2, y: height / 2 };
    this.strokes = [];
    this.stroke = null; // that is being painted
  }

  /** Marks what earlier strokes marked. */
  restore(strokes) {
    this.context.clearRect(0, 0, this.canvas.width, this.canvas.height);
    this.strokes = strokes;
    strokes.forEach((stroke) => this.draw(stroke, stroke.points));
  }

  undo() {
    this.restore(this.strokes.slice(0, -1));
  }

  /** @returns {Uint8Array} (height * width), 1 = marked. */
  marked() {
    const { height, width } = this.canvas;
    const { data } = this.context.getImageData(0, 0, width, height);
    const result = new Uint8Array(height * width);
    for (let pixel = 0; pixel < result.length; pixel++) {
      result[pixel] = data[4 * pixel + 3] >= MARKED ? 1 : 0;
    }
    return result;
  }

  /** Changes the width of the brush. */
  resize(by) {
    this.size.value = Number(this.size.value) + by;
    this.showTip();
  }

  // The slider's middle is a brush of about an eighth of the shorter side.
  get width() {
    const { height, width } = this.canvas;
    return Math.max(2, (Math.min(height, width) * this.size.value ** 1.5) / 2500);
  }

  draw({ width, erases }, points) {
    const { context } = this;
    context.globalCompositeOperation = erases ? "destination-out" : "source-over";
    Object.assign(context, { lineWidth: width, lineCap: "round", lineJoin: "round" });
    context.strokeStyle = COLOR;
    context.beginPath();
    context.moveTo(points[0].x - 0.01, points[0].y); // else a point alone would draw nothing
    points.forEach((point) => context.lineTo(point.x, point.y));
    context.stroke();
  }

  begin() {
    if (this.locked) return;
    this.stroke = { width: this.width, erases: this.erasing, points: [this.cursor] };
    this.strokes.push(this.stroke);
    this.draw(this.stroke, this.stroke.points);
    this.canvas.dispatchEvent(new Event("change"));
  }

  move(to) {
    this.cursor = to;
    this.showTip();
    if (!this.stroke) return;
    const last = this.stroke.points.at(-1);
    this.stroke.points.push(to);
    this.draw(this.stroke, [last, to]);
  }

  end() {
    this.stroke = null;
  }

  showTip() {
    const scale = this.canvas.clientWidth / this.canvas.width;
    this.tip.hidden = this.locked;
    this.tip.style.width = this.tip.style.height = `${this.width * scale}px`;
    this.tip.style.left = `${this.cursor.x * scale}px`;
    this.tip.style.top = `${this.cursor.y * scale}px`;
  }

  hideTip() {
    this.tip.hidden = true;
  }

  placeOf(event) {
    const box = this.canvas.getBoundingClientRect();
    return {
      x: ((event.clientX - box.left) * this.canvas.width) / box.width,
      y: ((event.clientY - box.top) * this.canvas.height) / box.height,
    };
  }

  listen() {
    const { canvas, size } = this;
    canvas.addEventListener("pointerdown", (event) => {
      if (event.button !== 0 || !event.isPrimary) return;
      canvas.setPointerCapture(event.pointerId);
      this.move(this.placeOf(event));
      this.begin();
    });
    canvas.addEventListener("pointermove", (event) => {
      if (event.isPrimary) this.move(this.placeOf(event));
    });
    canvas.addEventListener("pointerup", () => this.end());
    canvas.addEventListener("pointercancel", () => this.end());
    canvas.addEventListener("pointerleave", () => this.hideTip());
    // A quick stroke is no fling: the browser would take the next tap, on a button say, for its end.
    canvas.addEventListener("touchstart", (event) => {
      if (event.touches.length === 1) event.preventDefault();
    });
    canvas.addEventListener("focus", () => this.showTip());
    canvas.addEventListener("blur", () => this.hideTip());
    canvas.addEventListener("keydown", (event) => this.pressed(event));
    canvas.addEventListener("keyup", (event) => event.key === " " && this.end());
    size.addEventListener("input", () => {
      this.cursor = { x: canvas.width / 2, y: canvas.height / 2 };
      this.showTip();
    });
    size.addEventListener("change", () => this.hideTip());
  }

  pressed(event) {
    if (event.key === " ") {
      if (!this.stroke) this.begin();
    } else if (event.key in ARROWS) {
      const step = this.width / 3;
      const clamp = (value, most) => Math.min(Math.max(value, 0), most);
      const [x, y] = ARROWS[event.key];
      this.move({
        x: clamp(this.cursor.x + x * step, this.canvas.width),
        y: clamp(this.cursor.y + y * step, this.canvas.height),
      });
    } else return;
    event.preventDefault();
  }
}
