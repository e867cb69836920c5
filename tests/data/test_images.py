import io

import cv2
import numpy as np
import pytest
import tifffile
from PIL import Image, ImageOps

from madf_jax.data.images import read_image
from madf_jax.data.sources import PhotoSource
from madf_jax.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "A.PNG", "a.webp", "a.tif", "a.TIFF"])
def test_lossless_files_give_their_pixels(tmp_path, name):
    Image.fromarray(RGB).save(tmp_path / name, lossless=True)
    np.testing.assert_array_equal(read_image(tmp_path / name), RGB)


def test_bytes_and_paths_read_alike(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg")
    encoded = io.BytesIO((tmp_path / "a.jpg").read_bytes())
    np.testing.assert_array_equal(read_image(encoded, "x"), read_image(tmp_path / "a.jpg"))


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_sixteen_bit_gray_is_scaled_not_clipped(tmp_path, suffix):
    gray = np.linspace(0, 65535, 1600).astype(np.uint16).reshape(40, 40)
    Image.fromarray(gray).save(tmp_path / f"a.{suffix}")
    expected = np.round(gray / 257).astype(np.uint8)
    read = read_image(tmp_path / f"a.{suffix}")
    np.testing.assert_array_equal(read, np.stack([expected] * 3, -1))


@pytest.mark.parametrize("dtype", [np.uint8, np.uint16])
def test_a_tiff_in_which_0_is_white_is_no_negative(tmp_path, dtype):
    gray = np.linspace(0, 255, 1600).astype(np.uint8).reshape(40, 40)
    stored = (255 - gray).astype(dtype) * dtype(np.iinfo(dtype).max // 255)
    tifffile.imwrite(tmp_path / "a.tif", stored, photometric="miniswhite")
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), np.stack([gray] * 3, axis=-1))


def test_planes_of_16_bits_are_refused(tmp_path):
    """Pillow would read them as noise."""
    planes = np.full((3, 20, 30), 65535, np.uint16)
    tifffile.imwrite(tmp_path / "a.tif", planes, photometric="rgb", planarconfig="separate")
    with pytest.raises(UserError, match=r"a\.tif: has 16-bit colors in separate planes"):
        read_image(tmp_path / "a.tif")


def test_floating_point_pixels_are_refused(tmp_path):
    Image.fromarray(np.ones((40, 40), np.float32)).save(tmp_path / "a.tif")
    with pytest.raises(UserError, match=r"a\.tif: has floating-point pixels .*8 or 16 bits"):
        read_image(tmp_path / "a.tif")


def test_a_jpeg_from_a_browser_is_read(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jfif", "JPEG")
    assert read_image(tmp_path / "a.jfif").shape == RGB.shape


def test_of_several_pages_the_first_is_read(tmp_path):
    pages = [Image.fromarray(RGB), Image.fromarray(255 - RGB)]
    pages[0].save(tmp_path / "a.tif", save_all=True, append_images=pages[1:])
    np.testing.assert_array_equal(read_image(tmp_path / "a.tif"), RGB)


def test_what_is_read_cannot_be_changed(tmp_path):
    for suffix in ("jpg", "png"):
        Image.fromarray(RGB).save(tmp_path / f"a.{suffix}")
        with pytest.raises(ValueError, match="read-only"):
            read_image(tmp_path / f"a.{suffix}")[0] = 0


@pytest.mark.parametrize("mode", ["RGBA", "LA", "P"])
def test_transparency_is_laid_over_white(tmp_path, mode):
    image = Image.fromarray(np.zeros((40, 40, 4), np.uint8))
    image.paste((0, 0, 0, 255), (0, 0, 20, 40))
    image.convert(mode).save(tmp_path / "a.png")
    read = read_image(tmp_path / "a.png")
    assert (read[:, :20] == 0).all() and (read[:, 20:] == 255).all()


def test_half_transparent_is_half_white(tmp_path):
    Image.new("RGBA", (40, 40), (255, 0, 0, 128)).save(tmp_path / "a.png")
    np.testing.assert_allclose(read_image(tmp_path / "a.png")[0, 0], [255, 127, 127], atol=1)


def test_cmyk_jpeg_keeps_its_colors(tmp_path):
    Image.new("RGB", (40, 40), (200, 40, 90)).convert("CMYK").save(tmp_path / "a.jpg", quality=95)
    np.testing.assert_allclose(read_image(tmp_path / "a.jpg")[20, 20], [200, 40, 90], atol=4)


def test_palette_and_gray_become_rgb(tmp_path):
    Image.new("L", (40, 40), 77).save(tmp_path / "gray.png")
    Image.new("RGB", (40, 40), (1, 2, 3)).quantize(4).save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "gray.png")[5, 5], [77, 77, 77])
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png")[5, 5], [1, 2, 3])


@pytest.mark.parametrize("mode", ["RGB", "I;16"])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_exif_orientation_is_applied(tmp_path, mode, suffix):
    array = RGB if mode == "RGB" else RGB[..., 0].astype(np.uint16) * 257
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    Image.fromarray(array).save(tmp_path / f"a.{suffix}", exif=exif)
    upright = np.rot90(RGB if mode == "RGB" else np.stack([RGB[..., 0]] * 3, -1), -1)
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}"), upright)


@pytest.mark.parametrize("orientation", range(10))
def test_every_orientation_is_as_pillow_turns_it(tmp_path, orientation):
    exif = Image.Exif()
    exif[0x0112] = orientation
    Image.fromarray(RGB).save(tmp_path / "a.png", exif=exif)
    with Image.open(tmp_path / "a.png") as image:
        expected = np.asarray(ImageOps.exif_transpose(image))
    read = read_image(tmp_path / "a.png")
    np.testing.assert_array_equal(read, expected)
    assert read.flags.c_contiguous


def test_an_orientation_that_stands_in_xmp_is_applied_to_a_jpeg(tmp_path):
    xmp = b'<x:xmpmeta xmlns:x="adobe:ns:meta/"><r tiff:Orientation="6"/></x:xmpmeta>'
    Image.new("RGB", (60, 40)).save(tmp_path / "a.jpg", xmp=xmp)
    assert read_image(tmp_path / "a.jpg").shape == (60, 40, 3)


@pytest.mark.parametrize("suffix", ["png", "webp"])
def test_animation_gives_its_first_frame(tmp_path, suffix):
    frames = [Image.new("RGB", (40, 40), color) for color in ("red", "blue")]
    frames[0].save(tmp_path / f"a.{suffix}", save_all=True, append_images=frames[1:], lossless=True)
    np.testing.assert_array_equal(read_image(tmp_path / f"a.{suffix}")[9, 9], [255, 0, 0])


@pytest.fixture
def photograph(tmp_path):
    """A JPEG with fine detail, and what Pillow alone decodes from it."""
    path = tmp_path / "photo.jpg"
    Image.fromarray(PhotoSource("train")[1]).save(path, quality=90)
    with Image.open(path) as image:
        return path, np.asarray(image)


def test_opencv_decodes_to_pillows_pixels(photograph, monkeypatch):
    path, expected = photograph
    decoded, decode = [], cv2.imdecode
    monkeypatch.setattr(cv2, "imdecode", lambda *args: decoded.append(args) or decode(*args))
    np.testing.assert_array_equal(read_image(path), expected)
    assert len(decoded) == 1


@pytest.mark.parametrize(
    ("at_least", "sides"),
    [(0, (400, 600)), (201, (400, 600)), (200, (200, 300)), (99, (100, 150)), (32, (50, 75))],
)
def test_large_jpegs_are_decoded_as_small_as_will_do(photograph, at_least, sides):
    path, whole = photograph
    found = read_image(path, at_least=at_least)
    assert found.shape == (*sides, 3)
    shrunk = np.asarray(Image.fromarray(whole).resize(sides[::-1], Image.Resampling.BOX))
    assert np.abs(found.astype(int) - shrunk).mean() < 4
