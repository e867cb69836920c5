// Where in an image there is something to paint: boxes around the holes with what they need.
// The same boxes as madf_jax/inference/crops.py.

import { holeWidth } from "./distance.js";

const BLOCK = 16; // pixels; boxes are found on blocks of so many, since images may be large
const MOST_OF_IT = 0.75; // of the image: from there on it is painted whole

/**
 * Boxes { top, left, bottom, right } that together hold all of the hole, none overlapping another.
 *
 * @param {Uint8Array} hole (height * width), 1 = hole.
 * @param {number} margin pixels of context around each hole, at least.
 */
export function findCrops(hole, height, width, margin) {
  margin = Math.min(margin, Math.max(height, width));
  const boxes = neighborhoods(hole, height, width, margin).map((neighborhood) => {
    const part = bounds(hole, width, neighborhood);
    const near = grown(part, 1, height, width);
    const [h, w] = sidesOf(near);
    const context = Math.max(margin, Math.ceil(holeWidth(cut(hole, width, near), h, w)));
    return grown(part, context, height, width);
  });
  const apart = merged(boxes);
  const painted = apart.reduce((sum, box) => sum + areaOf(box), 0);
  if (painted > MOST_OF_IT * height * width) {
    return [{ top: 0, left: 0, bottom: height, right: width }];
  }
  return apart.sort((a, b) => a.top - b.top || a.left - b.left);
}

export function sidesOf(box) {
  return [box.bottom - box.top, box.right - box.left];
}

/** A box of an array with some values for each pixel. */
export function cut(array, width, box, channels = 1) {
  const [height, w] = sidesOf(box);
  const part = new array.constructor(height * w * channels);
  for (let y = 0; y < height; y++) {
    const start = ((box.top + y) * width + box.left) * channels;
    part.set(array.subarray(start, start + w * channels), y * w * channels);
  }
  return part;
}

// Boxes around groups of holes less than about two margins apart.
function neighborhoods(hole, height, width, margin) {
  const rows = Math.ceil(height / BLOCK);
  const columns = Math.ceil(width / BLOCK);
  const blocks = new Uint8Array(rows * columns);
  hole.forEach((value, pixel) => {
    if (!value) return;
    const row = Math.floor(pixel / width / BLOCK);
    blocks[row * columns + Math.floor((pixel % width) / BLOCK)] = 1;
  });
  const near = dilated(blocks, rows, columns, Math.ceil(margin / BLOCK));
  return components(near, rows, columns).map((box) => ({
    top: box.top * BLOCK,
    left: box.left * BLOCK,
    bottom: Math.min(box.bottom * BLOCK, height),
    right: Math.min(box.right * BLOCK, width),
  }));
}

function dilated(blocks, rows, columns, reach) {
  const near = new Uint8Array(blocks.length);
  blocks.forEach((value, block) => {
    if (!value) return;
    const [row, column] = [Math.floor(block / columns), block % columns];
    const right = Math.min(column + reach + 1, columns);
    for (let y = Math.max(0, row - reach); y < Math.min(row + reach + 1, rows); y++) {
      near.fill(1, y * columns + Math.max(0, column - reach), y * columns + right);
    }
  });
  return near;
}

// Boxes, in blocks, around what hangs together, also by corners.
function components(near, rows, columns) {
  const left = near.slice();
  const found = [];
  for (let block = 0; block < left.length; block++) {
    if (left[block]) found.push(takeComponent(left, rows, columns, block));
  }
  return found;
}

function takeComponent(left, rows, columns, first) {
  const box = { top: rows, left: columns, bottom: 0, right: 0 };
  const pending = [first];
  left[first] = 0;
  while (pending.length) {
    const block = pending.pop();
    const [row, column] = [Math.floor(block / columns), block % columns];
    box.top = Math.min(box.top, row);
    box.left = Math.min(box.left, column);
    box.bottom = Math.max(box.bottom, row + 1);
    box.right = Math.max(box.right, column + 1);
    for (let y = Math.max(0, row - 1); y <= Math.min(row + 1, rows - 1); y++) {
      for (let x = Math.max(0, column - 1); x <= Math.min(column + 1, columns - 1); x++) {
        if (!left[y * columns + x]) continue;
        left[y * columns + x] = 0;
        pending.push(y * columns + x);
      }
    }
  }
  return box;
}

// The smallest box around what is hole in a box.
function bounds(hole, width, box) {
  const found = { top: box.bottom, left: box.right, bottom: box.top, right: box.left };
  for (let y = box.top; y < box.bottom; y++) {
    for (let x = box.left; x < box.right; x++) {
      if (!hole[y * width + x]) continue;
      found.top = Math.min(found.top, y);
      found.left = Math.min(found.left, x);
      found.bottom = y + 1;
      found.right = Math.max(found.right, x + 1);
    }
  }
  return found;
}

function grown(box, by, height, width) {
  return {
    top: Math.max(0, box.top - by),
    left: Math.max(0, box.left - by),
    bottom: Math.min(height, box.bottom + by),
    right: Math.min(width, box.right + by),
  };
}

// Boxes that overlap become one around both, until none do.
function merged(boxes) {
  let apart = [];
  for (let box of boxes) {
    for (;;) {
      const touching = apart.filter((other) => overlap(box, other));
      if (!touching.length) break;
      apart = apart.filter((other) => !touching.includes(other));
      box = touching.reduce(around, box);
    }
    apart.push(box);
  }
  return apart;
}

function overlap(a, b) {
  return a.top < b.bottom && b.top < a.bottom && a.left < b.right && b.left < a.right;
}

function around(a, b) {
  return {
    top: Math.min(a.top, b.top),
    left: Math.min(a.left, b.left),
    bottom: Math.max(a.bottom, b.bottom),
    right: Math.max(a.right, b.right),
  };
}

function areaOf(box) {
  const [height, width] = sidesOf(box);
  return height * width;
}
