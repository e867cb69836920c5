"""Images in memory and back."""

import io

import numpy as np
import pytest
from PIL import Image

from madf_jax.errors import UserError
from madf_jax.imaging.rasters import check_values, to_raster, to_rgb

GENERATOR = np.random.default_rng(0)
RGBA = Image.fromarray(GENERATOR.integers(0, 256, (9, 13, 4), dtype=np.uint8), "RGBA")


def with_transparency(transparency):
    image = RGBA.convert("RGB").quantize(7)
    image.info["transparency"] = transparency
    return image


def pil_images():
    sixteen = GENERATOR.integers(0, 65536, (9, 13))
    yield from (RGBA.convert("RGB").convert(mode) for mode in ("1", "L", "P", "RGB", "CMYK"))
    yield from (RGBA, RGBA.convert("LA"), RGBA.convert("RGB").quantize(7))
    yield from (with_transparency(2), with_transparency(bytes([0, 255, 30])))
    yield Image.fromarray(sixteen.astype(np.uint16))
    yield Image.frombytes("I;16B", (13, 9), sixteen.astype(">u2").tobytes())
    yield Image.fromarray(sixteen.astype(np.int32))
    yield Image.fromarray(GENERATOR.random((9, 13)).astype(np.float32))


@pytest.mark.parametrize("image", list(pil_images()), ids=lambda image: image.mode)
def test_a_pil_image_comes_back_as_it_was(image):
    image.info["icc_profile"] = b"profile"
    raster = to_raster(image)
    assert raster.size == (9, 13)
    back = raster.rebuild(raster.pixels.copy())
    assert (back.mode, back.size, back.info) == (image.mode, image.size, image.info)
    assert back.tobytes() == image.tobytes()
    assert back.getpalette() == image.getpalette()


@pytest.mark.parametrize("shape", [(4, 5), (4, 5, 1), (4, 5, 2), (4, 5, 3), (4, 5, 4)])
@pytest.mark.parametrize("dtype", ["uint8", "uint16", ">u2", "float16", "float32", "float64"])
def test_an_array_comes_back_with_its_shape_and_dtype(shape, dtype):
    array = GENERATOR.random(shape)
    array = (array if "float" in dtype else array * 255).astype(dtype)
    raster = to_raster(array)
    back = raster.rebuild(raster.pixels.copy())
    assert (back.shape, back.dtype) == (array.shape, array.dtype)
    np.testing.assert_array_equal(back, array)


def test_other_arrays_become_numpy_ones():
    class Tensor:
        def __array__(self, dtype=None, copy=None):
            return np.zeros((4, 5, 3), np.uint8)

    assert isinstance(to_raster(Tensor()).rebuild(np.zeros((4, 5, 3), np.uint8)), np.ndarray)


def animation():
    file = io.BytesIO()
    frames = [Image.new("L", (4, 4), value) for value in (0, 255)]
    frames[0].save(file, "GIF", save_all=True, append_images=frames[1:])
    return Image.open(file)


def truncated():
    file = io.BytesIO()
    RGBA.resize((99, 99)).save(file, "PNG")
    return Image.open(io.BytesIO(file.getvalue()[:-9000]))


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("photo.png", "is a str; give a PIL image"),
        (np.zeros((4, 5), np.int64), "dtype int64"),
        (np.zeros((4, 5), complex), "dtype complex128"),
        (np.zeros((3, 40, 50), np.uint8), r"\(3, 40, 50\); .* channels last"),
        (np.zeros(7, np.uint8), r"\(7,\)"),
        (np.zeros((0, 5, 3), np.uint8), "not a single pixel"),
        (np.zeros((4, 5, 3), bool), "dtype bool"),
        (Image.new("LAB", (3, 4)), r"mode LAB, .* image.convert\('RGB'\)"),
        (animation(), "animation; give one frame"),
        (truncated(), "can't be decoded"),
    ],
)
def test_what_is_no_image_is_refused_by_name(image, message):
    with pytest.raises(UserError, match=rf"^image 3: .*{message}"):
        to_raster(image, "image 3")


@pytest.mark.parametrize(
    ("image", "message"),
    [
        (np.full((4, 5, 3), 254.0), r"from 254 to 254; scale them to \[0, 1\]"),
        (np.full((4, 5), -0.5, np.float32), "from -0.5 to -0.5"),
        (np.full((4, 5), np.nan), "from nan to nan"),
        (Image.fromarray(np.full((4, 5), 70_000, np.int32)), r"from 70000 .* \[0, 65535\]"),
    ],
)
def test_values_out_of_range_are_refused_unless_under_the_hole(image, message):
    raster, known = to_raster(image), np.ones((4, 5), bool)
    with pytest.raises(UserError, match=f"^image: has values {message}"):
        check_values(raster, known)
    check_values(raster, ~known)


def test_float_arithmetic_may_overshoot_a_little():
    check_values(to_raster(np.full((4, 5), 1 + 1e-6)), np.ones((4, 5), bool))


def test_rgb_view_lays_transparency_over_white_and_mixes_inks():
    half = np.array([[[100, 0, 200, 0], [100, 0, 200, 255]]], np.uint8)
    np.testing.assert_array_equal(to_rgb(to_raster(half))[0], [[255, 255, 255], [100, 0, 200]])
    cmyk = Image.frombytes("CMYK", (2, 1), bytes([255, 0, 0, 0, 0, 0, 0, 255]))
    np.testing.assert_array_equal(to_rgb(to_raster(cmyk))[0], [[0, 255, 255], [0, 0, 0]])
    bits = Image.frombytes("1", (2, 1), bytes([0b01000000]))
    np.testing.assert_array_equal(to_rgb(to_raster(bits))[0], [[0, 0, 0], [255, 255, 255]])
