// The network in ONNX Runtime Web: on the graphics card where there is WebGPU, else in WebAssembly.

import * as ort from "./runtime/ort.min.mjs";
import { makeImage } from "./resample.js";

const MOST_THREADS = 8;
const TOLERANCE = 0.5; // levels of 255 that a device's output may differ from what is expected

ort.env.wasm.wasmPaths = new URL("./runtime/", import.meta.url).href;
// Browsers share memory between threads only with a server's permission.
ort.env.wasm.numThreads = self.crossOriginIsolated
  ? Math.min(navigator.hardwareConcurrency, MOST_THREADS)
  : 1;
ort.env.logLevel = "error";

/**
 * The network on the first device that computes it right: drivers of graphics cards have bugs.
 *
 * @param settings of the export, settings.json.
 * @param {string[]} devices to try, of "webgpu" and "wasm".
 * @returns {Promise<{device: string, run}>} run is async (image, known) => image.
 * @throws the last device's error.
 */
export async function openNetwork(settings, devices) {
  let failure;
  for (const device of devices) {
    try {
      const run = await openOn(device, settings);
      await check(run, settings.check);
      return { device, run };
    } catch (error) {
      failure = error;
    }
  }
  throw failure;
}

/** What the network may run on here, the fastest first. */
export async function findDevices() {
  const adapter = await navigator.gpu?.requestAdapter().catch(() => null);
  return adapter ? ["webgpu", "wasm"] : ["wasm"];
}

export function describe(device) {
  if (device === "webgpu") return "WebGPU";
  const { numThreads } = ort.env.wasm;
  return `WebAssembly, ${numThreads} thread${numThreads > 1 ? "s" : ""}`;
}

async function openOn(device, { model, mean, std }) {
  const url = new URL(model, import.meta.url).href;
  const session = await ort.InferenceSession.create(url, { executionProviders: [device] });
  return async (image, known) => {
    const { height, width } = image;
    const outputs = await session.run({
      image: new ort.Tensor("float32", normalized(image.data, mean, std), [1, height, width, 3]),
      mask: new ort.Tensor("float32", Float32Array.from(known), [1, height, width, 1]),
    });
    const data = denormalized(await outputs.output.getData(), mean, std);
    outputs.output.dispose();
    return makeImage(height, width, 3, data);
  };
}

function normalized(data, mean, std) {
  return data.map((value, i) => (value / 255 - mean[i % 3]) / std[i % 3]);
}

function denormalized(data, mean, std) {
  return data.map((value, i) => {
    return Math.min(Math.max(value * std[i % 3] + mean[i % 3], 0), 1) * 255;
  });
}

// Paints a pattern with a hole in its middle, of which the export knows what comes out.
async function check(run, { side, step, expected }) {
  const image = makeImage(side, side, 3);
  image.data.forEach((_, i) => (image.data[i] = (7 * i) % 256));
  const known = new Uint8Array(side * side).fill(1);
  for (let y = side / 4; y < (3 * side) / 4; y++) {
    known.fill(0, y * side + side / 4, y * side + (3 * side) / 4);
  }
  const { data } = await run(image, known);
  const off = expected.some((value, i) => !(Math.abs(data[i * step] - value) <= TOLERANCE));
  if (off) throw new Error("the network's output is not what it should be on this device");
}
