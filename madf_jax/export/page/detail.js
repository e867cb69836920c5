// Fine detail from elsewhere in an image, for what was painted at a smaller scale and lacks it.
// The same steps as madf_jax/inference/detail.py, which says why.

import { distance, inverse } from "./distance.js";
import { blur, makeImage, mirror } from "./resample.js";

const FINE = 4; // pixels: what a Gaussian of this deviation takes away is fine detail
const SPACING = 12; // pixels between patches, which reach as far to all sides
const OFFSETS = [-16, -8, 0, 8, 16]; // pixels, down and right: where colors describe a place
const NEARNESS = 0.5; // a pixel of distance counts like so much difference of one color
const SLACK = 1.5; // a place will do whose difference is not over so many times the least one
const TOLERANCE = 4; // and so much in each color
const COLOR = 0.5; // share of the difference in coarse color that is taken over
const EDGE = 6; // pixels inside a hole over which the detail fades in
const MOST_SOURCES = 10000; // places that each patch is compared with, about

// A description of a place: its position and mean color, then colors on a grid around it.
const COUNT = OFFSETS.length ** 2;
const HEAD = 5;
const LENGTH = HEAD + 3 * COUNT;
const CHUNK = 3 * OFFSETS.length; // values that are compared at once

/**
 * Gives what was painted the fine detail of places in the image that are alike.
 *
 * @param image 3 channels in [0, 255]; pixels under holes are not read.
 * @param {Uint8Array} known 1 = known, 0 = hole.
 * @param painted 3 channels in [0, 255]; only pixels in holes are read.
 * @param {number} strength share of the result that has that detail instead of its own, in [0, 1].
 * @returns `painted`, but for pixels in holes; itself where there is nothing to do or to give.
 */
export function transferDetail(image, known, painted, strength) {
  const { height, width } = image;
  const hole = inverse(known);
  const { patches, sources, usable } = findPlaces(hole, height, width);
  if (!(strength && patches.length && sources.length)) return painted;
  const coarse = coarseOf(image, known, painted);
  const places = alike(coarse, patches, sources, usable);
  const detailed = overlapped(image, coarse, patches, places);
  return mixed(painted, detailed, distance(hole, height, width), strength);
}

// Inside the hole, the more the deeper.
function mixed(painted, detailed, depth, strength) {
  const result = { ...painted, data: painted.data.slice() };
  for (let pixel = 0; pixel < depth.length; pixel++) {
    if (!depth[pixel]) continue;
    const share = strength * Math.min(depth[pixel] / EDGE, 1);
    for (let i = 3 * pixel; i < 3 * pixel + 3; i++) {
      const value = (1 - share) * painted.data[i] + share * detailed.data[i];
      result.data[i] = Math.min(Math.max(value, 0), 255);
    }
  }
  return result;
}

// Centers, as pixels: of patches that together cover the hole, and of patches inside the image that
// are all known, as is what their blur reaches: some of these on a grid, and which ones they are.
function findPlaces(hole, height, width) {
  const near = nearness(hole, height, width);
  const patches = grid(height, width, 0, SPACING, (row, column) => near(row, column, SPACING));
  const isFree = (row, column) => !near(row, column, SPACING + FINE);
  const all = grid(height, width, SPACING, 1, isFree);
  const usable = new Uint8Array(height * width);
  for (const place of all) usable[place] = 1;
  const stride = Math.max(1, Math.floor(Math.sqrt(all.length / MOST_SOURCES)));
  const sources = all.filter((place) => {
    return Math.floor(place / width) % stride === 0 && (place % width) % stride === 0;
  });
  return { patches, sources, usable };
}

// Tells whether a hole is within some pixels of a place, down and right.
function nearness(hole, height, width) {
  const stride = width + 1;
  const sums = new Uint32Array((height + 1) * stride); // of all that is above and left
  hole.forEach((one, pixel) => {
    const at = (Math.floor(pixel / width) + 1) * stride + (pixel % width) + 1;
    sums[at] = one + sums[at - 1] + sums[at - stride] - sums[at - stride - 1];
  });
  return (row, column, reach) => {
    const [top, left] = [Math.max(0, row - reach) * stride, Math.max(0, column - reach)];
    const bottom = Math.min(row + reach + 1, height) * stride;
    const right = Math.min(column + reach + 1, width);
    return sums[bottom + right] - sums[bottom + left] - sums[top + right] + sums[top + left] > 0;
  };
}

function grid(height, width, margin, step, isOne) {
  const places = [];
  for (let row = margin; row < height - margin; row += step) {
    for (let column = margin; column < width - margin; column += step) {
      if (isOne(row, column)) places.push(row * width + column);
    }
  }
  return Int32Array.from(places);
}

// Without fine detail: of known pixels by themselves, of holes with what surrounds them.
function coarseOf(image, known, painted) {
  const { height, width } = image;
  const weighted = makeImage(height, width, 4);
  const whole = { ...painted, data: painted.data.slice() };
  known.forEach((isKnown, pixel) => {
    if (!isKnown) return;
    for (let c = 0; c < 3; c++) {
      const value = image.data[3 * pixel + c];
      weighted.data[4 * pixel + c] = whole.data[3 * pixel + c] = value;
    }
    weighted.data[4 * pixel + 3] = 1;
  });
  const alone = blur(weighted, FINE).data;
  const coarse = blur(whole, FINE);
  known.forEach((isKnown, pixel) => {
    if (!isKnown) return;
    for (let c = 0; c < 3; c++) {
      coarse.data[3 * pixel + c] = alone[4 * pixel + c] / alone[4 * pixel + 3];
    }
  });
  return coarse;
}

// For each patch, a place that differs little in coarse colors around it and in position.
function alike(coarse, patches, sources, usable) {
  const [wanted, offered] = [patches, sources].map((places) => descriptions(coarse, places));
  const limits = new Float64Array(patches.length);
  let nearest = 0;
  const places = patches.map((_, patch) => {
    const mine = one(wanted, patch);
    nearest = leastDifferent(mine, offered, nearest); // what a neighbor takes is a good guess
    const least = difference(mine, offered, nearest, Infinity);
    limits[patch] = SLACK * least + TOLERANCE ** 2 * (3 * COUNT + 2);
    return sources[anyWithin(limits[patch], mine, offered, patch)];
  });
  return continued(coarse, patches, wanted, places, limits, usable);
}

function one(descriptions, index) {
  return descriptions.subarray(index * LENGTH, (index + 1) * LENGTH);
}

// Which description has the least difference.
function leastDifferent(wanted, offered, guess) {
  let [best, least] = [guess, difference(wanted, offered, guess, Infinity)];
  for (let index = 0; index < offered.length / LENGTH; index++) {
    const found = difference(wanted, offered, index, least);
    if (found < least) [best, least] = [index, found];
  }
  return best;
}

// Any description whose difference is within the limit: the first in an order of the patch's own.
function anyWithin(limit, wanted, offered, patch) {
  let [chosen, first] = [0, Infinity];
  for (let index = 0; index < offered.length / LENGTH; index++) {
    if (difference(wanted, offered, index, limit) > limit) continue;
    const order = scrambled(patch, index);
    if (order < first) [chosen, first] = [index, order];
  }
  return chosen;
}

// An arbitrary number for each pair of numbers, the same as in the package.
function scrambled(a, b) {
  let mixed = Math.imul(a, 0x9e3779b1) + b;
  for (const factor of [0x21f0aaad, 0xd35a2d97]) {
    mixed = Math.imul(mixed ^ (mixed >>> 15), factor);
  }
  return (mixed ^ (mixed >>> 15)) >>> 0;
}

// The sum of squared differences from one of the descriptions, or of some of them if that is over
// `most`. Nearly all are out by their first values, most others before the last: that makes it many
// times faster.
function difference(wanted, offered, index, most) {
  const at = index * LENGTH;
  let sum = 0;
  for (let i = 0; i < HEAD; i++) sum += (wanted[i] - offered[at + i]) ** 2;
  for (let start = HEAD; start < LENGTH && sum < most; start += CHUNK) {
    for (let i = start; i < start + CHUNK; i++) sum += (wanted[i] - offered[at + i]) ** 2;
  }
  return sum;
}

// Lets patches go on with what the patch to the left or above shows, where that will do.
function continued(coarse, patches, wanted, places, limits, usable) {
  const chosen = new Map();
  const mine = new Float32Array(LENGTH);
  patches.forEach((patch, index) => {
    let [place, limit] = [places[index], limits[index]];
    for (const step of [SPACING, SPACING * coarse.width]) {
      const beside = chosen.get(patch - step) + step; // NaN if there is no such patch
      if (!usable[beside]) continue;
      describe(coarse, beside, mine);
      const found = difference(one(wanted, index), mine, 0, Infinity);
      if (found < limit) [place, limit] = [beside, found];
    }
    chosen.set(patch, place);
  });
  return Int32Array.from(chosen.values());
}

// Of each place its position and the coarse colors on a grid around it: their means first, then how
// they differ from these. So weighted, all squared differences have the sum that the colors' have.
function descriptions(coarse, places) {
  const result = new Float32Array(places.length * LENGTH);
  places.forEach((place, index) => describe(coarse, place, one(result, index)));
  return result;
}

function describe({ height, width, data }, place, result) {
  const [row, column] = [Math.floor(place / width), place % width];
  result[0] = NEARNESS * row;
  result[1] = NEARNESS * column;
  let to = HEAD;
  for (const down of OFFSETS) {
    const start = mirror(row + down, height) * width;
    for (const right of OFFSETS) {
      const from = 3 * (start + mirror(column + right, width));
      for (let c = 0; c < 3; c++) result[to++] = data[from + c];
    }
  }
  splitMeans(result);
}

function splitMeans(description) {
  for (let c = 0; c < 3; c++) {
    let sum = 0;
    for (let i = HEAD + c; i < LENGTH; i += 3) sum += description[i];
    description[2 + c] = sum / Math.sqrt(COUNT);
    for (let i = HEAD + c; i < LENGTH; i += 3) description[i] -= sum / COUNT;
  }
}

// Coarse colors with the detail of the places; neighboring patches fade into each other.
function overlapped(image, coarse, patches, places) {
  const { height, width } = image;
  const fade = Float32Array.from({ length: 2 * SPACING + 1 }, (_, index) => {
    return 0.5 - 0.5 * Math.cos((Math.PI * index) / SPACING); // the sum over neighbors is 1
  });
  const total = { ...coarse, data: coarse.data.slice() };
  patches.forEach((patch, index) => {
    const [row, column] = [Math.floor(patch / width), patch % width];
    for (let y = Math.max(-SPACING, -row); y <= Math.min(SPACING, height - 1 - row); y++) {
      for (let x = Math.max(-SPACING, -column); x <= Math.min(SPACING, width - 1 - column); x++) {
        const share = fade[y + SPACING] * fade[x + SPACING];
        const step = y * width + x;
        const [to, from] = [3 * (patch + step), 3 * (places[index] + step)];
        for (let c = 0; c < 3; c++) {
          const color = coarse.data[from + c];
          const change = image.data[from + c] - color + COLOR * (color - coarse.data[to + c]);
          total.data[to + c] += share * change;
        }
      }
    }
  });
  return total;
}
