"""What the page does, without a page."""

import base64
import io

import numpy as np
import pytest
from PIL import ExifTags, Image

from madf_jax.errors import UserError
from madf_jax.inference.inpainter import Inpainter
from madf_jax.web import actions
from madf_jax.web.actions import open_image, open_mask, paint
from tests.inference.fakes import Blurring


@pytest.fixture
def inpainter(make_network, make_variables):
    network = make_network(refinements=0)
    made = Inpainter(network, make_variables(network), trained_width=20)
    made._any_size._network = Blurring(8)  # nothing is compiled
    return made


@pytest.fixture
def photo(tmp_path):
    """48 wide and 40 high as it lies in its file, to be turned by 90 degrees, with metadata."""
    pixels = np.random.default_rng(0).integers(0, 256, (40, 48, 3), np.uint8)
    exif = Image.Exif()
    exif[ExifTags.Base.Orientation] = 6
    exif[ExifTags.Base.Make] = "Maker"
    path = tmp_path / "photo.png"
    Image.fromarray(pixels).save(path, exif=exif, icc_profile=b"profile", dpi=(300, 300))
    return path


def directory(tmp_path, name):
    made = tmp_path / name
    made.mkdir()
    return made


def drawn(known):
    buffer = io.BytesIO()
    Image.fromarray(known).convert("RGBA").save(buffer, "PNG")  # as a canvas gives it
    return "data:image/png;base64," + base64.b64encode(buffer.getvalue()).decode()


def opaque(url):
    with Image.open(io.BytesIO(base64.b64decode(url.partition(",")[2]))) as image:
        return np.asarray(image)[..., 3] > 0


def with_hole(size):
    known = np.ones(size, bool)
    known[10:20, 15:30] = False
    return known


def test_an_image_is_previewed_upright(photo, tmp_path):
    image = open_image(photo, directory(tmp_path, "a"))
    assert (image.size, image.shown, image.output) == ((48, 40), (48, 40), "photo_painted.png")
    with Image.open(image.preview) as preview:
        assert (preview.format, preview.size) == ("JPEG", (40, 48))


def test_the_result_is_the_inpainters_and_keeps_what_the_file_says(photo, tmp_path, inpainter):
    image, known = open_image(photo, directory(tmp_path, "a")), with_hole((48, 40))
    done = paint(inpainter, image, drawn(known), directory(tmp_path, "b"))
    np.testing.assert_array_equal(np.asarray(Image.open(done.mask)), known)
    with Image.open(done.image) as result, Image.open(photo) as before:
        upright = np.rot90(np.asarray(before), -1)
        np.testing.assert_array_equal(np.asarray(result)[known], upright[known])
        np.testing.assert_array_equal(np.asarray(result), np.asarray(inpainter(photo, done.mask)))
        assert result.getexif()[ExifTags.Base.Make] == "Maker"
        assert result.info["icc_profile"] == b"profile"
    assert done.seconds > 0


@pytest.mark.parametrize("suffix", [".png", ".tif"])
def test_sixteen_bits_stay(suffix, tmp_path, inpainter):
    import cv2

    pixels = np.random.default_rng(0).integers(0, 65536, (40, 48, 3), np.uint16)
    cv2.imwrite(str(tmp_path / f"deep{suffix}"), pixels)
    image = open_image(tmp_path / f"deep{suffix}", directory(tmp_path, "a"))
    known = with_hole((40, 48))
    done = paint(inpainter, image, drawn(known), directory(tmp_path, "b"))
    result = cv2.imread(str(done.image), cv2.IMREAD_UNCHANGED)
    assert result.dtype == np.uint16
    np.testing.assert_array_equal(result[known], pixels[known])
    assert np.any(result[~known] != pixels[~known])


def test_the_result_has_the_format_of_the_file_whatever_its_suffix(tmp_path, inpainter):
    Image.new("RGB", (40, 40), "gray").save(tmp_path / "photo.png", "JPEG")
    image = open_image(tmp_path / "photo.png", directory(tmp_path, "a"))
    assert image.output == "photo_painted.jpg"
    done = paint(inpainter, image, drawn(with_hole((40, 40))), directory(tmp_path, "b"))
    assert Image.open(done.image).format == "JPEG"


def test_a_large_image_is_previewed_smaller_and_painted_whole(tmp_path, inpainter, monkeypatch):
    monkeypatch.setattr(actions, "_LONGEST_SIDE", 40)
    pixels = np.random.default_rng(0).integers(0, 256, (60, 80, 3), np.uint8)
    Image.fromarray(pixels).save(tmp_path / "photo.png")
    image = open_image(tmp_path / "photo.png", directory(tmp_path, "a"))
    assert (image.size, image.shown) == ((60, 80), (30, 40))
    known = with_hole((30, 40))
    done = paint(inpainter, image, drawn(known), directory(tmp_path, "b"))
    larger = known.repeat(2, 0).repeat(2, 1)
    np.testing.assert_array_equal(np.asarray(Image.open(done.image))[larger], pixels[larger])
    assert Image.open(done.mask).size == (80, 60)


def test_a_mask_that_was_uploaded_comes_back_as_what_is_opaque(photo, tmp_path):
    image, known = open_image(photo, directory(tmp_path, "a")), with_hole((48, 40))
    Image.fromarray(known).save(tmp_path / "mask.png")
    url, remarks = open_mask(tmp_path / "mask.png", image)
    np.testing.assert_array_equal(opaque(url), ~known)
    assert remarks == ()
    Image.fromarray(np.rot90(known)).save(tmp_path / "turned.png")  # as the image lies in its file
    url, remarks = open_mask(tmp_path / "turned.png", image)
    np.testing.assert_array_equal(opaque(url), ~known)
    assert "turned" in remarks[0]


@pytest.mark.parametrize(
    ("known", "message"),
    [
        (np.ones((48, 40), bool), "Nothing is marked yet"),
        (np.zeros((48, 40), bool), "Everything is marked"),
        (np.ones((40, 48), bool), "does not belong to this image"),
    ],
)
def test_a_mask_that_can_not_be_painted_is_refused(known, message, photo, tmp_path, inpainter):
    image = open_image(photo, directory(tmp_path, "a"))
    with pytest.raises(UserError, match=message):
        paint(inpainter, image, drawn(known), tmp_path)


@pytest.mark.parametrize("sent", ["", "no mask", "data:image/png;base64,AAAA", "\u00e9"])
def test_what_is_no_mask_is_refused(sent, photo, tmp_path, inpainter):
    image = open_image(photo, directory(tmp_path, "a"))
    with pytest.raises(UserError, match="The mask: "):
        paint(inpainter, image, sent, tmp_path)


def test_too_many_pixels_are_refused_before_they_are_decoded(tmp_path, monkeypatch):
    monkeypatch.setattr(actions, "read_image_file", None)
    monkeypatch.setattr(actions, "to_mask", None)
    Image.new("1", (10_000, 7_000)).save(tmp_path / "huge.png")
    message = "huge.png: has 70 megapixels, and this page takes up to 64"
    with pytest.raises(UserError, match=message):
        open_image(tmp_path / "huge.png", tmp_path)
    with pytest.raises(UserError, match=message):
        open_mask(tmp_path / "huge.png", None)


def test_too_many_bytes_are_refused_before_they_are_read(tmp_path):
    with (tmp_path / "huge.png").open("wb") as file:
        file.truncate(200 * 2**20 + 1)
    with pytest.raises(UserError, match=r"huge.png: is larger than 200 MB"):
        open_image(tmp_path / "huge.png", tmp_path)


def test_what_is_no_image_is_refused(tmp_path):
    (tmp_path / "photo.png").write_text("no image")
    with pytest.raises(UserError, match=r"photo.png: not a JPEG, PNG"):
        open_image(tmp_path / "photo.png", tmp_path)


def test_an_image_that_was_deleted_meanwhile_is_reported(photo, tmp_path, inpainter):
    image = open_image(photo, directory(tmp_path, "a"))
    photo.unlink()
    with pytest.raises(UserError, match="open it again"):
        paint(inpainter, image, drawn(with_hole((48, 40))), tmp_path)
