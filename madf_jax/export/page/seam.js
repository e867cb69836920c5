// Where what was painted meets what is known. The same blend as madf_jax/inference/seam.py.

import { distance, inverse } from "./distance.js";
import { reflect } from "./sizes.js";

const RING = 2; // pixels on each side of an edge
const RING_HALF_WIDTHS = [0, 2, 2, 2, 0]; // OpenCV's ellipse of 5x5, row by row
const ENOUGH = 1e-3; // weight from which on a local mean counts in full

/**
 * Takes the step of color out of a seam, inside the hole only.
 *
 * @param image 3 channels in [0, 255]; pixels under holes are not read.
 * @param {Uint8Array} known 1 = known, 0 = hole.
 * @param output the network's, changed in place near an edge of the hole.
 * @param {number} width pixels inside the hole over which the step fades out.
 */
export function feather(image, known, output, width) {
  const { height, width: columns } = image;
  const hole = inverse(known);
  const depth = distance(hole, height, columns);
  const outside = both(known, dilated(hole, height, columns));
  const inside = both(hole, dilated(known, height, columns));
  const window = gaussian(width);
  const before = { ...output, data: output.data.slice() };
  for (let pixel = 0; pixel < hole.length; pixel++) {
    if (!hole[pixel] || depth[pixel] >= width + 0.5) continue;
    const there = localMean(image, outside, pixel, window);
    const here = localMean(before, inside, pixel, window);
    // Too far from the edge for the blur nothing was compared.
    const certain = Math.min(there.weight, here.weight) / ENOUGH;
    const share = Math.min(certain, 1) * (1 - Math.max(depth[pixel] - 0.5, 0) / width);
    for (let c = 0; c < 3; c++) {
      const value = before.data[3 * pixel + c] + share * (there.color[c] - here.color[c]);
      output.data[3 * pixel + c] = Math.min(Math.max(value, 0), 255);
    }
  }
}

function both(a, b) {
  return a.map((value, pixel) => value & b[pixel]);
}

// Grown by an ellipse. Only pixels at the edge of a region can grow it.
function dilated(region, height, width) {
  const result = region.slice();
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      const at = y * width + x;
      if (!region[at]) continue;
      const inner = x > 0 && x < width - 1 && y > 0 && y < height - 1;
      if (inner && region[at - 1] && region[at + 1] && region[at - width] && region[at + width]) {
        continue;
      }
      RING_HALF_WIDTHS.forEach((half, index) => {
        const row = y + index - RING;
        if (row < 0 || row >= height) return;
        const [left, right] = [Math.max(0, x - half), Math.min(x + half + 1, width)];
        result.fill(1, row * width + left, row * width + right);
      });
    }
  }
  return result;
}

// Weights from the middle to the far side of the ring, of a Gaussian of a quarter of the width.
function gaussian(width) {
  const reach = width + RING;
  const weights = Float64Array.from({ length: 2 * reach + 1 }, (_, index) => {
    return Math.exp(-((index - reach) ** 2) / (2 * (width / 4) ** 2));
  });
  const total = weights.reduce((sum, weight) => sum + weight);
  return weights.map((weight) => weight / total);
}

// The mean of the colors in a region near a pixel, and the weight that it rests on.
function localMean({ height, width, data }, region, pixel, window) {
  const reach = (window.length - 1) / 2;
  const [row, column] = [Math.floor(pixel / width), pixel % width];
  let [red, green, blue, weight] = [0, 0, 0, 0];
  for (let y = 0; y < window.length; y++) {
    const start = reflect(row + y - reach, height) * width;
    for (let x = 0; x < window.length; x++) {
      const at = start + reflect(column + x - reach, width);
      if (!region[at]) continue;
      const share = window[y] * window[x];
      red += share * data[3 * at];
      green += share * data[3 * at + 1];
      blue += share * data[3 * at + 2];
      weight += share;
    }
  }
  const color = [red, green, blue];
  return { color: weight ? color.map((sum) => sum / weight) : color, weight };
}
