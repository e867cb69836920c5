// How far each pixel of a hole is from what is known: OpenCV's distance by a 5x5 mask, to the bit.

const UNIT = 1 << 16;
const STRAIGHT = UNIT;
const DIAGONAL = Math.round(1.4 * UNIT);
const KNIGHT = Math.round(2.1969 * UNIT);
const FAR = 2 ** 32 - 1 - KNIGHT;
const BORDER = 2;

/**
 * @param {Uint8Array} hole (height * width), 1 = hole.
 * @returns {Float32Array} pixels to the nearest 0 of `hole`, about; 0 there.
 */
export function distance(hole, height, width) {
  const stride = width + 2 * BORDER;
  const sums = new Uint32Array((height + 2 * BORDER) * stride).fill(FAR);
  // Neighbors that are seen before a pixel; the second pass goes the other way round.
  const steps = [
    [-2 * stride - 1, KNIGHT],
    [-2 * stride + 1, KNIGHT],
    [-stride - 2, KNIGHT],
    [-stride - 1, DIAGONAL],
    [-stride, STRAIGHT],
    [-stride + 1, DIAGONAL],
    [-stride + 2, KNIGHT],
    [-1, STRAIGHT],
  ];
  const offsets = Int32Array.from(steps, ([offset]) => offset);
  const lengths = Int32Array.from(steps, ([, length]) => length);
  const nearest = (at, least, sign) => {
    for (let k = 0; k < offsets.length; k++) {
      const sum = sums[at + sign * offsets[k]] + lengths[k];
      if (sum < least) least = sum;
    }
    return least;
  };
  for (let y = 0; y < height; y++) {
    const row = (y + BORDER) * stride + BORDER;
    for (let x = 0; x < width; x++) {
      sums[row + x] = hole[y * width + x] ? nearest(row + x, FAR, 1) : 0;
    }
  }
  const result = new Float32Array(height * width);
  for (let y = height - 1; y >= 0; y--) {
    const row = (y + BORDER) * stride + BORDER;
    for (let x = width - 1; x >= 0; x--) {
      const soFar = sums[row + x];
      if (soFar > STRAIGHT) sums[row + x] = nearest(row + x, soFar, -1);
      result[y * width + x] = sums[row + x] / UNIT;
    }
  }
  return result;
}

/** How wide a hole is at its widest: twice the distance of its innermost pixel from the known. */
export function holeWidth(hole, height, width) {
  return 2 * distance(hole, height, width).reduce((most, one) => Math.max(most, one), 0);
}

/** The hole of what is known, and what is known around a hole. */
export function inverse(mask) {
  return mask.map((value) => 1 - value);
}
