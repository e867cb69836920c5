"""What a network reads of pixels, and what is written back."""

import numpy as np
import pytest

from madf_jax.imaging.layouts import Bilevel, Color, Ink, Palette


def random_pixels(channels, dtype, size=(5, 7), seed=0):
    generator = np.random.default_rng(seed)
    if np.dtype(dtype).kind == "b":
        return generator.random((*size, channels)) > 0.5
    if np.dtype(dtype).kind == "f":
        return generator.random((*size, channels)).astype(dtype)
    top = np.iinfo(dtype).max
    return generator.integers(0, top, (*size, channels), dtype=dtype, endpoint=True)


LAYOUTS = {
    "gray": (Color(1, False, 255), 1, np.uint8),
    "gray alpha": (Color(1, True, 255), 2, np.uint8),
    "rgb": (Color(3, False, 255), 3, np.uint8),
    "rgb alpha": (Color(3, True, 255), 4, np.uint8),
    "16 bits": (Color(3, False, 65535), 3, np.uint16),
    "big-endian": (Color(1, False, 65535), 1, ">u2"),
    "float": (Color(3, True, 1), 4, np.float32),
    "half": (Color(1, False, 1), 1, np.float16),
    "bilevel": (Bilevel(), 1, bool),
    "ink": (Ink(), 4, np.uint8),
}


@pytest.mark.parametrize("name", LAYOUTS)
def test_planes_written_back_are_the_pixels(name):
    layout, channels, dtype = LAYOUTS[name]
    pixels = random_pixels(channels, np.dtype(dtype).newbyteorder("=")).astype(dtype)
    if getattr(layout, "alpha", False):
        pixels[..., -1] = np.maximum(pixels[..., -1], 1 if pixels.dtype.kind != "f" else 0.1)
    planes = layout.planes(pixels)
    for plane in planes:
        assert (plane.shape, plane.dtype) == ((5, 7, 3), np.float32)
        assert plane.min() >= 0 and plane.max() <= 255
    painted = layout.painted(pixels, planes)
    assert (painted.shape, painted.dtype) == (pixels.shape, pixels.dtype)
    tolerance = 1e-3 if pixels.dtype.kind == "f" else 0
    np.testing.assert_allclose(painted.astype(float), pixels.astype(float), atol=tolerance)


def test_a_list_of_pixels_is_as_good_as_an_image():
    layout, pixels = Color(3, True, 255), random_pixels(4, np.uint8)
    (image,), (pixels_alone,) = layout.planes(pixels), layout.planes(pixels[pixels[..., 3] > 99])
    np.testing.assert_array_equal(image[pixels[..., 3] > 99], pixels_alone)


def test_white_and_black_are_so_at_any_depth():
    for layout, white in ((Color(1, False, 65535), np.uint16(65535)), (Color(1, False, 1), 1.0)):
        (plane,) = layout.planes(np.array([[0], [white]]))
        np.testing.assert_array_equal(plane, [[0, 0, 0], [255, 255, 255]])


def test_16_bits_keep_more_than_8():
    plane = np.array([[100.25, 100.25, 100.25]], np.float32)
    painted = Color(1, False, 65535).painted(np.zeros((1, 1), np.uint16), [plane])
    assert painted == round(100.25 * 257)


def test_painted_color_turns_gray_by_its_luma():
    plane = np.array([[255, 0, 0], [0, 255, 0], [0, 0, 255]], np.float32)
    painted = Color(1, False, 255).painted(np.zeros((3, 1), np.uint8), [plane])
    np.testing.assert_array_equal(painted[:, 0], [76, 150, 29])


def test_alpha_stays_and_becomes_opaque_only_where_it_was_0():
    pixels = np.array([[1, 2, 3, 0], [1, 2, 3, 9], [1, 2, 3, 255]], np.uint8)
    painted = Color(3, True, 255).painted(pixels, [np.full((3, 3), 50, np.float32)])
    np.testing.assert_array_equal(painted[:, 3], [255, 9, 255])
    np.testing.assert_array_equal(painted[:, :3], np.full((3, 3), 50))


def test_ink_is_light_left_over():
    color, black = Ink().planes(np.array([[255, 0, 51, 0], [0, 0, 0, 255]], np.uint8))
    np.testing.assert_array_equal(color, [[0, 255, 204], [255, 255, 255]])
    np.testing.assert_array_equal(black, [[255, 255, 255], [0, 0, 0]])


def test_palette_takes_the_nearest_entry_that_is_opaque_and_defined():
    table = np.zeros((256, 4), np.uint8)
    table[:4] = [[0, 0, 0, 255], [250, 250, 250, 0], [255, 255, 255, 255], [200, 0, 0, 255]]
    table[4:] = [250, 250, 250, 255]  # not defined by the image
    wanted = np.array([[250, 250, 250], [180, 30, 0], [1, 1, 1]], np.float32)
    painted = Palette(table, 4).painted(np.zeros((3, 1), np.uint8), [wanted])
    np.testing.assert_array_equal(painted[:, 0], [2, 3, 0])


def test_palette_search_equals_a_plain_loop():
    generator = np.random.default_rng(0)
    table = generator.integers(0, 256, (256, 4), dtype=np.uint8)
    table[:, 3] = 255
    wanted = generator.uniform(0, 255, (50_000, 3)).astype(np.float32)
    painted = Palette(table, 256).painted(np.zeros((50_000, 1), np.uint8), [wanted])
    for index in (0, 1, 20_000, 49_999):
        distance = np.sum((table[:, :3].astype(float) - wanted[index]) ** 2, axis=1)
        assert distance[painted[index, 0]] == pytest.approx(distance.min())


@pytest.mark.parametrize(
    ("layout", "pixels", "opacity"),
    [
        (Color(1, True, 255), [[7, 0], [7, 51]], [0, 0.2]),
        (Color(3, False, 255), [[7, 0, 0], [7, 5, 1]], [1, 1]),
        (Ink(), [[7, 0, 0, 0], [7, 5, 1, 0]], [1, 1]),
        (Bilevel(), [[True], [False]], [1, 1]),
        (Palette(np.array([[0, 0, 0, 255], [0, 0, 0, 51]], np.uint8), 2), [[0], [1]], [1, 0.2]),
    ],
)
def test_opacity(layout, pixels, opacity):
    dtype = bool if isinstance(layout, Bilevel) else np.uint8
    np.testing.assert_allclose(layout.opacity(np.array(pixels, dtype)), opacity, rtol=1e-6)
