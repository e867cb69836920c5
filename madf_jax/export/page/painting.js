// An image and a hole in it: what is cut out, painted, and put back.
// The same as madf_jax/inference/painting.py with its default options.

import { cut, findCrops, sidesOf } from "./crops.js";
import { holeWidth } from "./distance.js";
import { makeImage } from "./resample.js";
import { fill, levelSize, scaleSteps } from "./scale.js";
import { feather } from "./seam.js";

export const DEFAULTS = { scale: "auto", feather: 6, margin: 128, detail: 0.8 };
const LEAST_SCALE = 1.25; // below, resampling costs more than a slightly wide hole

/**
 * Paints holes; all other pixels stay bit-identical.
 *
 * Fully transparent pixels have no color: the network does not read them and they stay as they are,
 * unless the whole hole is transparent. Then it becomes opaque.
 *
 * @param paint async (image, known) => image: the network for any size.
 * @param {Uint8ClampedArray} pixels RGBA, row by row.
 * @param {Uint8Array} hole 1 = hole.
 * @param {number} trainedWidth of holes that the network was trained on, in pixels.
 * @param progress called with the share of the work that is done.
 * @returns {Promise<Uint8ClampedArray>} RGBA.
 */
export async function paintImage(
  paint,
  { pixels, hole, height, width },
  trainedWidth,
  options = DEFAULTS,
  progress = () => {},
) {
  const visible = hole.map((_, pixel) => (pixels[4 * pixel + 3] ? 1 : 0));
  let painted = hole.map((value, pixel) => value & visible[pixel]);
  if (!painted.includes(1)) painted = hole;
  const crops = findCrops(painted, height, width, options.margin).map((box) => {
    const [h, w] = sidesOf(box);
    const mine = cut(painted, width, box);
    const scale = scaleOf(mine, h, w, options.scale, trainedWidth);
    return { box, hole: mine, scale, work: workOf(h, w, scale) };
  });
  const total = crops.reduce((sum, crop) => sum + crop.work, 0);
  let done = 0;
  const counting = async (image, known) => {
    const output = await paint(image, known);
    done += image.height * image.width;
    progress(done / total);
    return output;
  };
  const result = pixels.slice();
  for (const crop of crops) {
    const [h, w] = sidesOf(crop.box);
    const known = cut(hole, width, crop.box).map((value) => 1 - value);
    cut(visible, width, crop.box).forEach((value, pixel) => (known[pixel] &= value));
    const image = makeImage(h, w, 3, colorsOf(cut(pixels, width, crop.box, 4)));
    const output = await fill(counting, image, known, crop.scale, options.detail);
    if (options.feather) feather(image, known, output, options.feather);
    put(result, width, crop, output.data);
  }
  return result;
}

function scaleOf(hole, height, width, scale, trainedWidth) {
  if (scale !== "auto") return scale;
  const fitting = holeWidth(hole, height, width) / trainedWidth;
  return fitting >= LEAST_SCALE ? fitting : 1;
}

function workOf(height, width, scale) {
  const areas = scaleSteps(scale).map((step) => levelSize(height, width, step));
  return areas.reduce((sum, [h, w]) => sum + h * w, 0);
}

function colorsOf(rgba) {
  const colors = new Float32Array((rgba.length / 4) * 3);
  for (let pixel = 0; pixel < rgba.length / 4; pixel++) {
    for (let c = 0; c < 3; c++) colors[3 * pixel + c] = rgba[4 * pixel + c];
  }
  return colors;
}

// Writes what was painted into the image; a clamped array rounds to the nearest.
function put(pixels, width, { box, hole }, colors) {
  const [, w] = sidesOf(box);
  hole.forEach((value, index) => {
    if (!value) return;
    const to = 4 * ((box.top + Math.floor(index / w)) * width + box.left + (index % w));
    for (let c = 0; c < 3; c++) pixels[to + c] = colors[3 * index + c];
    pixels[to + 3] ||= 255;
  });
}
