// Holes wider than those the network was trained on: painted where they fit, then made finer.
// The same steps as madf_jax/inference/scale.py, which says why.

import { transferDetail } from "./detail.js";
import { distance, holeWidth, inverse } from "./distance.js";
import { makeImage, resizeByArea, resizeByCubic } from "./resample.js";

const BAND = 0.5; // of the width that fits: how deep a hole is painted again at a finer scale

/**
 * Paints an image coarsely, then finer and finer up to its own size.
 *
 * @param paint async (image, known) => image: the network for any size.
 * @param image 3 channels in [0, 255]; pixels under holes are not read.
 * @param {Uint8Array} known 1 = known, 0 = hole.
 * @param {number} scale by how much smaller it is painted first, at least 1.
 * @param {number} detail share of detail that is taken over from the image, in [0, 1].
 * @returns an image, also where pixels are known.
 */
export async function fill(paint, image, known, scale, detail) {
  const { height, width } = image;
  const band = scale > 1 ? (BAND * holeWidth(inverse(known), height, width)) / scale : 0;
  let output = null;
  for (const step of scaleSteps(scale)) {
    const level = levelAt(image, known, step, output, band);
    const painted = await paint(level.image, level.given);
    output = finished(level, painted, output ? detail : 0);
  }
  return output;
}

/** From a scale to 1 by equal factors of about two. */
export function scaleSteps(scale) {
  const count = scale > 1 ? Math.max(1, roundHalfEven(Math.log2(scale))) : 0;
  return [...Array.from({ length: count }, (_, step) => scale ** (1 - step / count)), 1];
}

/** The size of a level, as Python rounds. */
export function levelSize(height, width, scale) {
  return [height, width].map((side) => Math.max(1, roundHalfEven(side / scale)));
}

function shrink(image, known, scale) {
  const [height, width] = levelSize(image.height, image.width, scale);
  if (height === image.height && width === image.width) return [image, known];
  const weighted = makeImage(image.height, image.width, 4);
  known.forEach((isKnown, pixel) => {
    if (!isKnown) return;
    for (let c = 0; c < 3; c++) weighted.data[4 * pixel + c] = image.data[3 * pixel + c];
    weighted.data[4 * pixel + 3] = 1;
  });
  const total = resizeByArea(weighted, height, width);
  const small = makeImage(height, width, 3);
  const smallKnown = new Uint8Array(height * width);
  for (let pixel = 0; pixel < smallKnown.length; pixel++) {
    const area = total.data[4 * pixel + 3];
    smallKnown[pixel] = area >= 0.5 ? 1 : 0;
    for (let c = 0; c < 3; c++) {
      small.data[3 * pixel + c] = total.data[4 * pixel + c] / (smallKnown[pixel] ? area : 1);
    }
  }
  return [small, smallKnown];
}

// What is known and what was painted at the scale before; what of the hole stays as it was.
function levelAt(full, fullKnown, scale, coarse, band) {
  const [image, known] = shrink(full, fullKnown, scale);
  if (!coarse) return { image, known, given: known, settled: new Uint8Array(known.length) };
  const { height, width } = image;
  const depth = distance(inverse(known), height, width);
  const settled = Uint8Array.from(depth, (one) => (one > band ? 1 : 0));
  const mixed = resizeByCubic(coarse, height, width);
  for (let i = 0; i < mixed.data.length; i++) {
    mixed.data[i] = Math.min(Math.max(mixed.data[i], 0), 255);
  }
  copyWhere(known, image, mixed);
  const given = known.map((one, pixel) => one | settled[pixel]);
  return { image: mixed, known, given, settled };
}

// Where a hole is too narrow for the scale, all is given and the network had nothing to paint.
function finished({ image, known, given, settled }, output, detail) {
  if (given.every((one) => one)) output = image;
  else copyWhere(settled, image, output);
  return transferDetail(image, known, output, detail);
}

function copyWhere(mask, from, to) {
  for (let pixel = 0; pixel < mask.length; pixel++) {
    if (!mask[pixel]) continue;
    for (let c = 0; c < 3; c++) to.data[3 * pixel + c] = from.data[3 * pixel + c];
  }
}

function roundHalfEven(value) {
  const below = Math.floor(value);
  const rest = value - below;
  if (rest === 0.5) return below + (below % 2);
  return rest < 0.5 ? below : below + 1;
}
