"""The page's modules compute what the package does: all of the painting but the network."""

import base64

import numpy as np
import pytest

from madf_jax.imaging.rasters import to_raster
from madf_jax.inference.detail import transfer_detail
from madf_jax.inference.painting import PaintOptions, paint_rasters
from madf_jax.inference.sizes import AnySize

pytestmark = pytest.mark.web


class _Shift:
    """In place of the network: a mix with what is up and left, of known pixels only."""

    multiple = 32

    def __call__(self, image, mask):
        known = np.where(mask == 1, image, 0).astype(np.float32)
        return np.minimum(0.6 * known + 0.4 * np.roll(known, (3, 5), (1, 2)) + 20, 255)

    def compile(self, shape):
        pass

    def working_bytes(self, shape):
        return float(np.prod(shape))


# How arrays come and go.
CODEC = """
  const bytes = (text) => Uint8Array.from(atob(text), (letter) => letter.charCodeAt(0));
  const textOf = (bytes) => {
    let text = "";
    for (let i = 0; i < bytes.length; i += 8192) {
      text += String.fromCharCode(...bytes.subarray(i, i + 8192));
    }
    return btoa(text);
  };
"""

SHIFT = """async ([content, hole, height, width, tile, trained, detail]) => {CODEC
  const { DEFAULTS, paintImage } = await import("./painting.js");
  const { anySize } = await import("./sizes.js");
  const { makeImage } = await import("./resample.js");
  const network = async ({ height, width, data }, known) => {
    const at = (y, x, c) => (known[y * width + x] ? data[3 * (y * width + x) + c] : 0);
    const output = makeImage(height, width, 3);
    output.data.forEach((_, i) => {
      const [y, x, c] = [Math.floor(i / 3 / width), Math.floor(i / 3) % width, i % 3];
      const there = at((y + height - 3) % height, (x + width - 5) % width, c);
      output.data[i] = Math.min(0.6 * at(y, x, c) + 0.4 * there + 20, 255);
    });
    return output;
  };
  const pixels = new Uint8ClampedArray(bytes(content));
  const image = { pixels, hole: bytes(hole), height, width };
  const options = { ...DEFAULTS, detail: detail ?? DEFAULTS.detail };
  const painted = await paintImage(anySize(network, 32, tile), image, trained, options);
  return textOf(painted);
}""".replace("CODEC", CODEC)

DETAIL = """async ([image, known, painted, height, width, strength]) => {CODEC
  const { transferDetail } = await import("./detail.js");
  const { makeImage } = await import("./resample.js");
  const floats = (text) => makeImage(height, width, 3, new Float32Array(bytes(text).buffer));
  const result = transferDetail(floats(image), bytes(known), floats(painted), strength);
  return textOf(new Uint8Array(result.data.buffer));
}""".replace("CODEC", CODEC)


def sent(array):
    return base64.b64encode(array.tobytes()).decode()


def received(text, like):
    return np.frombuffer(base64.b64decode(text), like.dtype).reshape(like.shape)


@pytest.mark.parametrize(
    ("size", "holes", "tile", "detail"),
    [
        ((300, 401), [(150, 200, 60)], 1024, 0),  # coarse to fine
        ((300, 401), [(0, 400, 60)], 1024, 0),  # at the border
        ((520, 1001), [(90, 90, 40), (430, 850, 90), (110, 120, 35)], 1024, 0),  # two crops
        ((700, 600), [(300, 250, 160)], 512, 0),  # tiles
        ((7, 5), [(3, 2, 2)], 1024, 0),  # smaller than the network's multiple
        ((300, 401), [(150, 200, 60)], 1024, None),  # with what each takes by default
        ((300, 401), [(0, 400, 60)], 1024, None),
    ],
)
def test_the_page_cuts_scales_tiles_and_blends_as_the_package(size, holes, tile, detail, new_page):
    y, x = np.mgrid[: size[0], : size[1]]
    hole = np.zeros(size, bool)
    for row, column, radius in holes:
        hole |= (y - row) ** 2 + (x - column) ** 2 < radius**2
    rough = np.random.default_rng(0).normal(0, 20, size)  # hardly two places are alike
    waves = [127 + 60 * np.sin(x / 7 + c) * np.cos(y / (5 + c)) + rough for c in range(3)]
    alpha = np.where(x < size[1] // 8, 0, 255)
    image = np.stack([*waves, alpha], axis=-1).clip(0, 255).astype(np.uint8)
    options = PaintOptions() if detail is None else PaintOptions(detail=detail)
    wanted = paint_rasters(
        AnySize(_Shift(), 1, tile**2), [to_raster(image)], [~hole], options, 41.0
    )[0]
    painted = new_page().evaluate(SHIFT, [sent(image), sent(hole), *size, tile, 41.0, detail])
    found = received(painted, image)
    assert np.any(wanted != image)
    np.testing.assert_array_equal(found[~hole], image[~hole])
    assert np.abs(found.astype(int) - wanted).max() <= 1


@pytest.mark.parametrize("size", [(150, 200), (300, 401)])  # all places are compared; every 4th
@pytest.mark.parametrize("strength", [0.5, 1.0])
def test_detail_comes_from_the_same_places_as_in_the_package(size, strength, new_page):
    generator = np.random.default_rng(0)
    image = generator.uniform(0, 255, (*size, 3)).astype(np.float32)
    painted = generator.uniform(0, 255, (*size, 3)).astype(np.float32)
    hole = np.zeros(size, bool)
    hole[50:100, 40:160] = True
    hole[-20:, :30] = True
    wanted = transfer_detail(image, ~hole, painted, strength)
    image[hole] = np.nan
    arguments = [sent(image), sent(~hole), sent(painted), *size, strength]
    found = received(new_page().evaluate(DETAIL, arguments), painted)
    assert np.abs(wanted - painted).max() > 10
    np.testing.assert_allclose(found, wanted, atol=0.01)


@pytest.mark.parametrize("share", [0.0, 1.0])
def test_without_a_place_that_has_detail_to_give_it_is_the_painting(share, new_page):
    """Nothing is known far enough from the hole, or there is no hole."""
    size = (40, 60)
    known = np.arange(40 * 60).reshape(size) % 60 < 60 * share
    painted = np.random.default_rng(0).uniform(0, 255, (*size, 3)).astype(np.float32)
    arguments = [sent(0 * painted), sent(known), sent(painted), *size, 1.0]
    np.testing.assert_array_equal(
        received(new_page().evaluate(DETAIL, arguments), painted), painted
    )
