// Images of any size through a network that needs multiples of 2**depth: padding, and tiles for
// large ones. The same as madf_jax/inference/sizes.py and tiles.py.

import { cut, sidesOf } from "./crops.js";
import { makeImage } from "./resample.js";

const OVERLAP = 128; // pixels of neighboring tiles, at least

/**
 * The network for any size.
 *
 * @param network async (image, known) => image, for sides that are multiples of `multiple`.
 * @param {number} multiple pixels.
 * @param {number} tile the longest side of what is painted at once, as long as a bucket.
 * @returns async (image, known) => image, with zeros where nothing is to be painted.
 */
export function anySize(network, multiple, tile) {
  const overlap = Math.ceil(OVERLAP / multiple) * multiple;
  const run = async (image, known) => {
    const { height, width } = image;
    const size = [bucket(height, multiple), bucket(width, multiple)];
    const output = await network(pad(image, ...size), padMask(known, height, width, ...size));
    return crop(output, height, width);
  };
  return async (image, known) => {
    const { height, width } = image;
    if (known.every((one) => one)) return makeImage(height, width, 3);
    if (fits(height, width, multiple, tile)) return run(image, known);
    const blend = new Blend(height, width, overlap);
    for (const box of findTiles(height, width, tile, overlap, multiple)) {
      const mask = cut(known, width, box);
      if (mask.every((one) => one)) continue;
      const part = makeImage(...sidesOf(box), 3, cut(image.data, width, box, 3));
      blend.add(box, await run(part, mask));
    }
    return blend.result();
  };
}

/** The length that a side is padded to, with at most three significant bits above `multiple`. */
export function bucket(side, multiple) {
  const count = Math.ceil(side / multiple);
  const bits = count > 1 ? Math.floor(Math.log2(count - 1)) + 1 : 0;
  const step = 2 ** Math.max(0, bits - 3);
  return Math.ceil(count / step) * step * multiple;
}

/** The place inside of a side that a place outside mirrors, however far it is. */
export function reflect(place, side) {
  if (place >= 0 && place < side) return place;
  if (side === 1) return 0;
  const period = 2 * (side - 1);
  const within = ((place % period) + period) % period;
  return within < side ? within : period - within;
}

function fits(height, width, multiple, tile) {
  return bucket(height, multiple) * bucket(width, multiple) <= tile ** 2;
}

function pad(image, height, width) {
  if (height === image.height && width === image.width) return image;
  const { channels, data } = image;
  const result = makeImage(height, width, channels, new data.constructor(height * width * channels));
  const columns = Array.from({ length: width }, (_, x) => reflect(x, image.width) * channels);
  for (let y = 0; y < height; y++) {
    const row = reflect(y, image.height) * image.width * channels;
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        result.data[(y * width + x) * channels + c] = data[row + columns[x] + c];
      }
    }
  }
  return result;
}

function padMask(known, height, width, ...size) {
  return pad(makeImage(height, width, 1, known), ...size).data;
}

function crop(image, height, width) {
  if (height === image.height && width === image.width) return image;
  const box = { top: 0, left: 0, bottom: height, right: width };
  return makeImage(height, width, 3, cut(image.data, image.width, box, 3));
}

/** Boxes that cover an image, each at most `tile` on a side, beginning at multiples. */
export function findTiles(height, width, tile, overlap, multiple) {
  const columns = spans(width, tile, overlap, multiple);
  return spans(height, tile, overlap, multiple).flatMap(([top, bottom]) =>
    columns.map(([left, right]) => ({ top, left, bottom, right })),
  );
}

function spans(side, tile, overlap, multiple) {
  if (side <= tile) return [[0, side]];
  const last = Math.ceil((side - tile) / multiple) * multiple;
  const found = [];
  for (let start = 0; start < last; start += tile - overlap) found.push([start, start + tile]);
  return [...found, [last, side]];
}

// The weighted mean of overlapping tiles, whose weights cross over in the middle of the overlap.
class Blend {
  constructor(height, width, overlap) {
    this.sum = makeImage(height, width, 3);
    this.weight = new Float32Array(height * width);
    this.overlap = overlap;
  }

  add(box, output) {
    const rows = this.ramp(box.top, box.bottom, this.sum.height);
    const columns = this.ramp(box.left, box.right, this.sum.width);
    rows.forEach((vertical, y) => {
      columns.forEach((horizontal, x) => {
        const to = (box.top + y) * this.sum.width + box.left + x;
        const from = y * columns.length + x;
        const weight = vertical * horizontal;
        this.weight[to] += weight;
        for (let c = 0; c < 3; c++) {
          this.sum.data[3 * to + c] += weight * output.data[3 * from + c];
        }
      });
    });
  }

  result() {
    this.weight.forEach((weight, pixel) => {
      if (weight === 0) return;
      for (let c = 0; c < 3; c++) this.sum.data[3 * pixel + c] /= weight;
    });
    return this.sum;
  }

  ramp(start, stop, side) {
    const quarter = this.overlap / 4;
    return Array.from({ length: stop - start }, (_, index) => {
      const before = start === 0 ? Infinity : index + 0.5;
      const after = stop === side ? Infinity : stop - start - index - 0.5;
      const share = (Math.min(before, after) - quarter) / (2 * quarter);
      return Math.min(Math.max(share, 0), 1);
    });
  }
}
