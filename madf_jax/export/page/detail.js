// Fine detail from elsewhere in an image, for what was painted at a smaller scale and lacks it.
// The same steps as madf_jax/inference/detail.py, which says why.

import { distance, inverse } from "./distance.js";
import { blur, makeImage, mirror } from "./resample.js";

const FINE = 4; // pixels: what a Gaussian of this deviation takes away is fine detail
const SPACING = 12; // pixels between patches, which reach as far to all sides
const OFFSETS = [-16, -8, 0, 8, 16]; // pixels, down and right: where colors describe a place
const NEARNESS = 0.5; // a pixel of distance counts like so much difference of one color
const COLOR = 0.5; // share of the difference in coarse color that is taken over
const EDGE = 6; // pixels inside a hole over which the detail fades in
const MOST_SOURCES = 20000; // places that each patch is compared with, about

// A description of a place: its position and mean color, then colors on a grid around it.
const COUNT = OFFSETS.length ** 2;
const HEAD = 5;
const LENGTH = HEAD + 3 * COUNT;
const CHUNK = 3 * OFFSETS.length; // values that are compared at once

/**
 * Gives what was painted the fine detail of the places in the image that are most alike.
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
  const { patches, sources } = findPlaces(hole, height, width);
  if (!(strength && patches.length && sources.length)) return painted;
  const coarse = coarseOf(image, known, painted);
  const detailed = overlapped(image, coarse, patches, mostAlike(coarse, patches, sources));
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
// are all known, as is what their blur reaches.
function findPlaces(hole, height, width) {
  const near = nearness(hole, height, width);
  const patches = grid(height, width, 0, SPACING, (row, column) => near(row, column, SPACING));
  const usable = (row, column) => !near(row, column, SPACING + FINE);
  const all = grid(height, width, SPACING, 1, usable);
  const stride = Math.max(1, Math.floor(Math.sqrt(all.length / MOST_SOURCES)));
  const sources = all.filter((place) => {
    return Math.floor(place / width) % stride === 0 && (place % width) % stride === 0;
  });
  return { patches, sources };
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

// For each patch, the place that differs least in coarse colors around it and in position.
function mostAlike(coarse, patches, sources) {
  const [wanted, offered] = [patches, sources].map((places) => descriptions(coarse, places));
  let nearest = 0;
  return patches.map((_, patch) => {
    const mine = wanted.subarray(patch * LENGTH, (patch + 1) * LENGTH);
    nearest = leastDifferent(mine, offered, nearest); // what a neighbor takes is a good guess
    return sources[nearest];
  });
}

// Which description has the least sum of squared differences. Nearly all are out by their first
// values, most others before the last: that makes it many times faster.
function leastDifferent(wanted, offered, guess) {
  const [row, column, red, green, blue] = wanted;
  const difference = (index, most) => {
    const at = index * LENGTH;
    let sum = (row - offered[at]) ** 2 + (column - offered[at + 1]) ** 2;
    sum += (red - offered[at + 2]) ** 2 + (green - offered[at + 3]) ** 2;
    sum += (blue - offered[at + 4]) ** 2;
    for (let start = HEAD; start < LENGTH && sum < most; start += CHUNK) {
      for (let i = start; i < start + CHUNK; i++) sum += (wanted[i] - offered[at + i]) ** 2;
    }
    return sum;
  };
  let [best, least] = [guess, difference(guess, Infinity)];
  for (let index = 0; index < offered.length / LENGTH; index++) {
    const sum = difference(index, least);
    if (sum < least) [best, least] = [index, sum];
  }
  return best;
}

// Of each place its position and the coarse colors on a grid around it: their means first, then how
// they differ from these. So weighted, all squared differences have the sum that the colors' have.
function descriptions({ height, width, data }, places) {
  const result = new Float32Array(places.length * LENGTH);
  places.forEach((place, index) => {
    const [row, column] = [Math.floor(place / width), place % width];
    const mine = result.subarray(index * LENGTH, (index + 1) * LENGTH);
    mine[0] = NEARNESS * row;
    mine[1] = NEARNESS * column;
    let to = HEAD;
    for (const down of OFFSETS) {
      const start = mirror(row + down, height) * width;
      for (const right of OFFSETS) {
        const from = 3 * (start + mirror(column + right, width));
        for (let c = 0; c < 3; c++) mine[to++] = data[from + c];
      }
    }
    splitMeans(mine);
  });
  return result;
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
