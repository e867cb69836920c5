// Computes apart from the page, so that the page stays responsive.
//
// Takes { kind: "fill", pixels, hole, height, width } and { kind: "encode", pixels, height, width }.
// Answers { kind: "device" } once, { kind: "progress" } any number of times, and { kind: "done" } or
// { kind: "failed" } for each.

import { describe, findDevices, openNetwork } from "./network.js";
import { DEFAULTS, paintImage } from "./painting.js";
import { encodePng } from "./png.js";
import { anySize } from "./sizes.js";

const TILE = 1024; // pixels a side that are painted at once, at most: about as a phone can hold

const loading = load(); // at once, while people still mark
loading.catch(() => {}); // reported with what asks for it

self.addEventListener("message", async ({ data }) => {
  try {
    const work = data.kind === "fill" ? fill : encode;
    self.postMessage({ kind: "done", result: await work(data) });
  } catch (error) {
    self.postMessage({ kind: "failed", message: lineOf(error) });
  }
});

async function load() {
  const answer = await fetch(new URL("settings.json", import.meta.url));
  if (!answer.ok) throw new Error(`settings.json can't be loaded (status ${answer.status})`);
  const settings = await answer.json();
  return { settings, network: await open(settings, await findDevices()) };
}

async function open(settings, devices) {
  const network = await openNetwork(settings, devices);
  self.postMessage({ kind: "device", device: describe(network.device) });
  return network;
}

async function fill({ options = DEFAULTS, ...image }) {
  const loaded = await loading;
  const { settings } = loaded;
  const report = (share) => self.postMessage({ kind: "progress", share });
  const attempt = () => {
    const paint = anySize(loaded.network.run, settings.multiple, TILE);
    return paintImage(paint, image, settings.trained_hole_width, options, report);
  };
  try {
    return await attempt();
  } catch (error) {
    if (loaded.network.device === "wasm") throw error;
    // Graphics cards have less memory, and can go away.
    loaded.network = await open(settings, ["wasm"]);
    return attempt();
  }
}

async function encode({ pixels, height, width }) {
  return encodePng(pixels, height, width);
}

function lineOf(error) {
  const text = String(error?.message ?? error);
  if (error instanceof RangeError || /memory|alloc/i.test(text) || typeof error === "number") {
    return "There is not enough memory; mark less at once, or open a smaller image";
  }
  return text.split("\n")[0];
}
