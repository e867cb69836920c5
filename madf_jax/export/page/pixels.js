// Image files to pixels, RGBA with straight alpha, in sRGB and upright, as the browser decodes them.

export const MOST_MEGAPIXELS = 50;

/**
 * @param {Blob} file
 * @returns {Promise<{pixels: Uint8ClampedArray, height, width, exact: boolean}>} exact is false if
 *   the browser may have rounded colors that are neither opaque nor transparent.
 * @throws {Error} with one line for people.
 */
export async function readPixels(file) {
  const name = file.name || "the image";
  let bitmap;
  try {
    bitmap = await createImageBitmap(file, { premultiplyAlpha: "none" });
  } catch {
    throw new Error(`${name}: is no image that this browser can read`);
  }
  const { height, width } = bitmap;
  const megapixels = Math.round((height * width) / 1e6);
  if (megapixels > MOST_MEGAPIXELS) {
    bitmap.close();
    throw new Error(`${name}: has ${megapixels} megapixels; this page takes ${MOST_MEGAPIXELS}`);
  }
  const rounded = fromCanvas(bitmap);
  const opaque = isOpaque(rounded);
  const straight = opaque ? null : fromGraphicsCard(bitmap);
  bitmap.close();
  return { pixels: straight ?? rounded, height, width, exact: opaque || straight !== null };
}

export function isOpaque(pixels) {
  for (let i = 3; i < pixels.length; i += 4) if (pixels[i] !== 255) return false;
  return true;
}

// Exact for opaque pixels; a canvas holds colors multiplied by their alpha.
function fromCanvas(bitmap) {
  const { height, width } = bitmap;
  const canvas = Object.assign(document.createElement("canvas"), { height, width });
  const context = canvas.getContext("2d", { willReadFrequently: true, colorSpace: "srgb" });
  context.drawImage(bitmap, 0, 0);
  return context.getImageData(0, 0, width, height).data;
}

// Exact for all; null where there is no WebGL or the image is too large for it.
function fromGraphicsCard(bitmap) {
  const { height, width } = bitmap;
  const gl = document.createElement("canvas").getContext("webgl2");
  if (!gl || Math.max(height, width) > gl.getParameter(gl.MAX_TEXTURE_SIZE)) return null;
  const texture = gl.createTexture();
  gl.bindTexture(gl.TEXTURE_2D, texture);
  gl.texImage2D(gl.TEXTURE_2D, 0, gl.RGBA, gl.RGBA, gl.UNSIGNED_BYTE, bitmap);
  gl.bindFramebuffer(gl.FRAMEBUFFER, gl.createFramebuffer());
  gl.framebufferTexture2D(gl.FRAMEBUFFER, gl.COLOR_ATTACHMENT0, gl.TEXTURE_2D, texture, 0);
  const pixels = new Uint8ClampedArray(4 * height * width);
  gl.readPixels(0, 0, width, height, gl.RGBA, gl.UNSIGNED_BYTE, new Uint8Array(pixels.buffer));
  const failed = gl.getError() !== gl.NO_ERROR;
  gl.getExtension("WEBGL_lose_context")?.loseContext(); // browsers keep a few alive only
  return failed ? null : pixels;
}
