// Resizing images of floats: by mean area to smaller ones, by cubic interpolation to larger ones,
// as OpenCV does both.
//
// An image is { height, width, channels, data }, its data row by row, channels last.

const SHARPNESS = -0.75; // of OpenCV's cubic

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

// A list with, for each place along the new side, its [old place, weight] pairs.

function areas(from, to) {
  const scale = from / to;
  return Array.from({ length: to }, (_, place) => {
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
  return Array.from({ length: to }, (_, place) => {
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

function resize(image, rows, columns) {
  const { channels } = image;
  const [height, width] = [rows.length, columns.length];
  const result = makeImage(height, width, channels);
  const line = new Float32Array(image.width * channels);
  for (let y = 0; y < height; y++) {
    line.fill(0);
    for (const [old, weight] of rows[y]) {
      const start = old * line.length;
      for (let i = 0; i < line.length; i++) line[i] += weight * image.data[start + i];
    }
    for (let x = 0; x < width; x++) {
      const to = (y * width + x) * channels;
      for (const [old, weight] of columns[x]) {
        for (let c = 0; c < channels; c++) {
          result.data[to + c] += weight * line[old * channels + c];
        }
      }
    }
  }
  return result;
}
