// Resizing images of floats: by mean area to smaller ones, by cubic interpolation to larger ones;
// and blurring them. As OpenCV does all three.
//
// An image is { height, width, channels, data }, its data row by row, channels last.

const SHARPNESS = -0.75; // of OpenCV's cubic
const REACH = 4; // of OpenCV's Gaussian, in deviations

export function makeImage(height, width, channels, data) {
  return { height, width, channels, data: data ?? new Float32Array(height * width * channels) };
}

/** The mean over the area that each pixel of the smaller image covers. */
export function resizeByArea(image, height, width) {
  return resize(image, areas(image.height, height), areas(image.width, width));
}

export function resizeByCubic(image, height, width) {
  return resize(image, cubics(image.height, height), cubics(image.width, width));
}

/** By a Gaussian; what lies outside mirrors the image, which must be as large as it reaches. */
export function blur(image, deviation) {
  const { height, width } = image;
  return resize(image, gaussians(height, deviation), gaussians(width, deviation));
}

/** The place inside of a side that a place outside mirrors, the outermost pixel included. */
export function mirror(place, side) {
  if (place < 0) return -1 - place;
  return place < side ? place : 2 * side - 1 - place;
}

// For each place along the new side, its [old place, weight] pairs.

function areas(from, to) {
  const scale = from / to;
  return table(to, (place) => {
    const start = place * scale;
    const end = start + scale;
    const cell = Math.min(scale, from - start);
    const last = Math.min(Math.floor(end), from - 1);
    const first = Math.min(Math.ceil(start), last);
    const taps = [];
    if (first - start > 1e-3) taps.push([first - 1, (first - start) / cell]);
    for (let old = first; old < last; old++) taps.push([old, 1 / cell]);
    if (end - last > 1e-3) taps.push([last, Math.min(end - last, 1, cell) / cell]);
    return taps;
  });
}

function cubics(from, to) {
  return table(to, (place) => {
    const at = ((place + 0.5) * from) / to - 0.5;
    const left = Math.floor(at);
    return cubicWeights(at - left).map((weight, index) => {
      return [Math.min(Math.max(left + index - 1, 0), from - 1), weight];
    });
  });
}

function cubicWeights(x) {
  const outer = (t) => ((SHARPNESS * t - 5 * SHARPNESS) * t + 8 * SHARPNESS) * t - 4 * SHARPNESS;
  const inner = (t) => ((SHARPNESS + 2) * t - (SHARPNESS + 3)) * t * t + 1;
  const weights = [outer(x + 1), inner(x), inner(1 - x)];
  return [...weights, 1 - weights[0] - weights[1] - weights[2]];
}

function gaussians(side, deviation) {
  const reach = Math.round(REACH * deviation);
  const weights = Array.from({ length: 2 * reach + 1 }, (_, index) => {
    return Math.exp(-((index - reach) ** 2) / (2 * deviation ** 2));
  });
  const total = weights.reduce((sum, weight) => sum + weight);
  return table(side, (place) => {
    return weights.map((weight, index) => [mirror(place + index - reach, side), weight / total]);
  });
}

// Flat arrays, which are many times faster: the pairs of a place are from starts[place] on.
function table(length, tapsOf) {
  const taps = Array.from({ length }, (_, place) => tapsOf(place));
  const starts = new Int32Array(length + 1);
  taps.forEach((some, place) => (starts[place + 1] = starts[place] + some.length));
  const pairs = taps.flat();
  return {
    length,
    starts,
    places: Int32Array.from(pairs, ([old]) => old),
    weights: Float64Array.from(pairs, ([, weight]) => weight),
  };
}

function resize(image, rows, columns) {
  const { channels, data } = image;
  const result = makeImage(rows.length, columns.length, channels);
  const values = result.data; // looked up once, which is faster
  const line = new Float32Array(image.width * channels);
  for (let y = 0; y < rows.length; y++) {
    line.fill(0);
    for (let k = rows.starts[y]; k < rows.starts[y + 1]; k++) {
      const start = rows.places[k] * line.length;
      const weight = rows.weights[k];
      for (let i = 0; i < line.length; i++) line[i] += weight * data[start + i];
    }
    for (let x = 0; x < columns.length; x++) {
      const to = (y * columns.length + x) * channels;
      for (let k = columns.starts[x]; k < columns.starts[x + 1]; k++) {
        const from = columns.places[k] * channels;
        const weight = columns.weights[k];
        for (let c = 0; c < channels; c++) values[to + c] += weight * line[from + c];
      }
    }
  }
  return result;
}
