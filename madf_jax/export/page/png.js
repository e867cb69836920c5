// Pixels to a PNG file, to the bit: a canvas would round colors that are not opaque.

import { isOpaque } from "./pixels.js";

const SIGNATURE = Uint8Array.of(0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a);
const [RGB, RGBA, PAETH] = [2, 6, 4]; // numbers of the PNG standard
const CRC_TABLE = Uint32Array.from({ length: 256 }, (_, byte) => {
  for (let bit = 0; bit < 8; bit++) byte = byte & 1 ? 0xedb88320 ^ (byte >>> 1) : byte >>> 1;
  return byte;
});

/**
 * @param {Uint8ClampedArray} pixels RGBA; what is opaque throughout is written as RGB.
 * @returns {Promise<Blob>}
 */
export async function encodePng(pixels, height, width) {
  const channels = isOpaque(pixels) ? 3 : 4;
  const header = new DataView(new ArrayBuffer(13));
  header.setUint32(0, width);
  header.setUint32(4, height);
  header.setUint8(8, 8);
  header.setUint8(9, channels === 3 ? RGB : RGBA);
  const lines = filtered(pixels, height, width, channels);
  const packing = new Blob([lines]).stream().pipeThrough(new CompressionStream("deflate"));
  const packed = new Uint8Array(await new Response(packing).arrayBuffer());
  const chunks = [
    chunk("IHDR", new Uint8Array(header.buffer)),
    chunk("IDAT", packed),
    chunk("IEND", new Uint8Array()),
  ];
  return new Blob([SIGNATURE, ...chunks], { type: "image/png" });
}

// Each line's differences from what its neighbors predict, after the number of that filter.
function filtered(pixels, height, width, channels) {
  const size = width * channels;
  const result = new Uint8Array(height * (size + 1));
  let above = new Uint8Array(size);
  let line = new Uint8Array(size);
  for (let y = 0; y < height; y++) {
    for (let x = 0; x < width; x++) {
      for (let c = 0; c < channels; c++) {
        line[x * channels + c] = pixels[4 * (y * width + x) + c];
      }
    }
    const start = y * (size + 1);
    result[start] = PAETH;
    for (let i = 0; i < size; i++) {
      const left = i < channels ? 0 : line[i - channels];
      const corner = i < channels ? 0 : above[i - channels];
      result[start + 1 + i] = line[i] - paeth(left, above[i], corner);
    }
    [above, line] = [line, above];
  }
  return result;
}

function paeth(left, above, corner) {
  const toLeft = Math.abs(above - corner);
  const toAbove = Math.abs(left - corner);
  const toCorner = Math.abs(left + above - 2 * corner);
  if (toLeft <= toAbove && toLeft <= toCorner) return left;
  return toAbove <= toCorner ? above : corner;
}

function chunk(name, data) {
  const result = new Uint8Array(data.length + 12);
  const view = new DataView(result.buffer);
  view.setUint32(0, data.length);
  result.set([...name].map((letter) => letter.charCodeAt(0)), 4);
  result.set(data, 8);
  view.setUint32(data.length + 8, crc(result.subarray(4, data.length + 8)));
  return result;
}

function crc(bytes) {
  let value = 0xffffffff;
  for (const byte of bytes) value = CRC_TABLE[(value ^ byte) & 0xff] ^ (value >>> 8);
  return ~value >>> 0;
}
