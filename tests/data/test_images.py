import io

import cv2
import numpy as np
import pytest
from PIL import Image

from madf_jax.data import images
from madf_jax.data.images import digest, find_images, read_image, read_mask_file
from madf_jax.data.sources import PhotoSource
from madf_jax.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)


@pytest.mark.parametrize("name", ["a.png", "a.bmp", "A.PNG", "a.webp"])
def test_lossless_files_give_their_pixels(tmp_path, name):
    Image.fromarray(RGB).save(tmp_path / name, lossless=True)
    np.testing.assert_array_equal(read_image(tmp_path / name), RGB)


def test_bytes_and_paths_read_alike(tmp_path):
    Image.fromarray(RGB).save(tmp_path / "a.jpg")
    encoded = io.BytesIO((tmp_path / "a.jpg").read_bytes())
    np.testing.assert_array_equal(read_image(encoded, "x"), read_image(tmp_path / "a.jpg"))


def test_sixteen_bit_grey_is_scaled_not_clipped(tmp_path):
    gray = np.linspace(0, 65535, 1600).astype(np.uint16).reshape(40, 40)
    Image.fromarray(gray).save(tmp_path / "a.png")
    expected = np.round(gray / 257).astype(np.uint8)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.stack([expected] * 3, -1))


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


def test_palette_and_grey_become_rgb(tmp_path):
    Image.new("L", (40, 40), 77).save(tmp_path / "gray.png")
    Image.new("RGB", (40, 40), (1, 2, 3)).quantize(4).save(tmp_path / "palette.png")
    np.testing.assert_array_equal(read_image(tmp_path / "gray.png")[5, 5], [77, 77, 77])
    np.testing.assert_array_equal(read_image(tmp_path / "palette.png")[5, 5], [1, 2, 3])


@pytest.mark.parametrize("mode", ["RGB", "I;16"])
def test_exif_orientation_is_applied(tmp_path, mode):
    array = RGB if mode == "RGB" else RGB[..., 0].astype(np.uint16) * 257
    exif = Image.Exif()
    exif[0x0112] = 6  # shown turned clockwise by a quarter
    Image.fromarray(array).save(tmp_path / "a.png", exif=exif)
    upright = np.rot90(RGB if mode == "RGB" else np.stack([RGB[..., 0]] * 3, -1), -1)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), upright)


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


def test_the_quick_way_to_decode_gives_pillows_pixels(photograph, monkeypatch):
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


@pytest.mark.parametrize("suffix", ["jpg", "png", "webp", "bmp"])
def test_truncated_file_is_one_clear_line(tmp_path, suffix):
    Image.fromarray(RGB).save(tmp_path / f"whole.{suffix}")
    encoded = (tmp_path / f"whole.{suffix}").read_bytes()
    (tmp_path / f"cut.{suffix}").write_bytes(encoded[: len(encoded) // 2])
    with pytest.raises(UserError, match=rf"cut\.{suffix}: .*truncated") as caught:
        read_image(tmp_path / f"cut.{suffix}")
    assert "\n" not in str(caught.value)


def test_other_formats_and_text_are_refused(tmp_path):
    (tmp_path / "text.png").write_text("no image")
    Image.fromarray(RGB).save(tmp_path / "gif.png", format="GIF")
    for name in ("text.png", "gif.png"):
        with pytest.raises(UserError, match=f"{name}: not a JPEG, PNG, WebP or BMP"):
            read_image(tmp_path / name)
    with pytest.raises(UserError, match=r"none\.png: there is no such file"):
        read_image(tmp_path / "none.png")


def test_too_many_pixels_are_refused_before_decoding(tmp_path, monkeypatch):
    Image.fromarray(RGB).save(tmp_path / "a.png")
    monkeypatch.setattr(images, "MAX_PIXELS", 40 * 50 - 1)
    monkeypatch.setattr(Image.Image, "load", lambda self: pytest.fail("decoded"))
    with pytest.raises(UserError, match=r"a\.png: has more than 1999 pixels"):
        read_image(tmp_path / "a.png")


def test_decompression_bomb_is_refused(tmp_path):
    Image.new("1", (20000, 20000)).save(tmp_path / "bomb.png")
    with pytest.raises(UserError, match=r"bomb\.png: has more than \d+ pixels"):
        read_image(tmp_path / "bomb.png")


def test_listing_is_recursive_sorted_and_ignores_case(tmp_path):
    for name in ("b.PNG", "sub/deep/a.Jpeg", "a.webp", "notes.txt", "._a.webp", ".trash/c.png"):
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).touch()
    assert find_images(tmp_path) == ["a.webp", "b.PNG", "sub/deep/a.Jpeg"]


def test_listing_says_what_was_looked_for(tmp_path):
    (tmp_path / "notes.txt").touch()
    with pytest.raises(UserError, match=r"\.jpg .*\.bmp and found 1 other file"):
        find_images(tmp_path)
    with pytest.raises(UserError, match="no such folder"):
        find_images(tmp_path / "missing")


def test_digest_changes_with_names_and_order():
    assert len({digest(["a", "b"]), digest(["b", "a"]), digest(["a"]), digest(["a\nc"])}) == 4


@pytest.mark.parametrize(("hole", "known"), [("black", [0, 0, 1, 1]), ("white", [1, 1, 0, 0])])
def test_mask_convention_and_threshold(tmp_path, hole, known):
    gray = np.array([[0, 127, 128, 255]] * 4, np.uint8)
    Image.fromarray(gray).save(tmp_path / "m.png")
    mask = read_mask_file(tmp_path / "m.png", hole=hole, size=8)
    assert mask.shape == (8, 8, 1) and mask.dtype == np.uint8
    np.testing.assert_array_equal(mask[0, :, 0], np.repeat(known, 2))
