import io

import numpy as np
import pytest
from PIL import Image, ImageDraw

from madf_jax.data.decoding import ImageError
from madf_jax.data.mask_files import read_mask_file
from madf_jax.data.sources import PhotoSource

WHITE = np.zeros((64, 48), bool)  # where the masks below mean white
WHITE[16:40, 8:32] = True
GRAY = np.where(WHITE, 255, 0).astype(np.uint8)


def saved(image, suffix="PNG", **more):
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    file = io.BytesIO()
    image.save(file, suffix, **more)
    return file


def read(image, suffix="PNG", **more):
    return read_mask_file(saved(image, suffix, **more), "mask")


def painted(inside, outside):
    """An image of two colors."""
    return np.where(WHITE[..., None], np.uint8(inside), np.uint8(outside))


@pytest.mark.parametrize(("hole", "known"), [("black", [0, 0, 1, 1]), ("white", [1, 1, 0, 0])])
def test_mask_convention_and_threshold(tmp_path, hole, known):
    Image.fromarray(np.array([[0, 127, 128, 255]] * 4, np.uint8)).save(tmp_path / "m.png")
    mask = read_mask_file(tmp_path / "m.png").mask(hole, 8)
    assert mask.shape == (8, 8, 1) and mask.dtype == np.uint8
    np.testing.assert_array_equal(mask[0, :, 0], np.repeat(known, 2))


def test_a_mask_keeps_its_size_unless_a_square_is_asked_for():
    mask = read(GRAY).mask("white")
    assert mask.shape == (64, 48, 1) and mask.dtype == np.uint8
    np.testing.assert_array_equal(mask[..., 0] == 0, WHITE)


@pytest.mark.parametrize("mode", ["1", "L", "RGB", "P", "RGBA", "LA"])
def test_black_and_white_needs_no_word_in_any_mode(mode):
    found = read(Image.fromarray(GRAY).convert(mode))
    np.testing.assert_array_equal(found.white, WHITE)
    assert found.reading == "" and not found.is_photograph


@pytest.mark.parametrize("suffix", ["JPEG", "WEBP", "BMP", "TIFF"])
def test_black_and_white_is_read_from_every_format(suffix):
    np.testing.assert_array_equal(read(GRAY, suffix).white, WHITE)


def test_the_orientation_of_a_mask_is_applied():
    exif = Image.Exif()
    exif[0x0112] = 6
    np.testing.assert_array_equal(read(GRAY, exif=exif).white, np.rot90(WHITE, -1))


@pytest.mark.parametrize(
    ("image", "more", "reading"),
    [
        (WHITE.astype(np.uint8), {}, "values 0 and 1"),
        (WHITE.astype(np.uint16), {}, "values 0 and 1"),
        (np.stack([WHITE.astype(np.uint8)] * 3, -1), {}, "values 0 and 1"),
        (GRAY.astype(np.uint16), {}, "8-bit values stored in 16 bits"),
        (GRAY.astype(np.uint16) * 257, {}, ""),
        (GRAY.astype(np.float32), {"suffix": "TIFF"}, "8-bit values stored in 16 bits"),
        (WHITE.astype(np.float32), {"suffix": "TIFF"}, ""),
        (painted((255, 255, 255, 255), (0, 0, 0, 0)), {}, "opaque pixels: transparent ones"),
        (painted((255, 255, 255, 255), (255, 255, 255, 0)), {}, "opaque pixels: transparent"),
        (painted((0, 0, 0, 0), (0, 0, 0, 255)), {}, "dark strokes: transparent pixels are white"),
        (painted((128, 0, 0), (0, 0, 0)), {}, "colors on black"),
        (painted((255, 255, 255), (255, 0, 0)), {}, "colors on white: the colors are black"),
        (painted((255, 255, 255), (255, 255, 0)), {}, "colors on white: the colors are black"),
    ],
)
def test_other_masks_are_read_by_what_they_mean(image, more, reading):
    found = read(image, **more)
    np.testing.assert_array_equal(found.white, WHITE)
    assert found.reading.startswith(reading) and bool(found.reading) == bool(reading)


def test_a_palette_of_labels_is_white_where_there_is_a_label():
    labels = Image.fromarray(WHITE.astype(np.uint8), "P")
    labels.putpalette([0, 0, 0, 128, 0, 0, 0, 128, 0] + [224, 224, 192] * 253)
    ImageDraw.Draw(labels).rectangle((8, 16, 31, 39), outline=255)  # VOC's border of an object
    found = read(labels)
    np.testing.assert_array_equal(found.white, WHITE)
    assert found.reading == "colors on black: the colors are white"


def test_a_part_cut_out_of_a_photograph_is_black():
    rgba = np.full((300, 451, 4), 255, np.uint8)
    rgba[..., :3] = PhotoSource("held_out")[0]
    rgba[50:90, 100:300, 3] = 0
    found = read(rgba)
    np.testing.assert_array_equal(found.white, rgba[..., 3] > 0)
    assert found.reading == "opaque pixels: transparent ones are black"


@pytest.mark.parametrize(
    ("image", "found"),
    [
        (painted(100, 0)[..., 0], r"on one side of 127: 0 \(81\.2 %\), 100 \(18\.8 %\)"),
        (painted(255, 200)[..., 0], r"200 \(81\.2 %\), 255"),
        (painted(2, 0)[..., 0], r"0 \(81\.2 %\), 2 \(18\.8 %\)"),
        (WHITE * np.uint16(4095), r"0 \(81\.2 %\), 16 \(18\.8 %\)"),
        (painted((255, 0, 0), (0, 0, 255)), r"\(0, 0, 255\) \(81\.2 %\), \(255, 0, 0\)"),
        (painted((255, 0, 0, 255), (0, 0, 0, 0)), r"18\.8 % .* colored, .* 76 \(100\.0 %\)"),
        (painted((9, 9, 9, 0), (0, 0, 0, 0)), "all of its pixels are transparent"),
        (np.full((9, 9), np.nan, np.float32), "reach from nan to nan"),
        (np.full((9, 9), -1, np.float32), "reach from -1 to -1"),
    ],
)
def test_what_can_be_read_two_ways_is_refused_with_what_was_found(image, found):
    suffix = "TIFF" if image.dtype == np.float32 else "PNG"
    with pytest.raises(ImageError, match=f"^mask: it is ambiguous .*{found}"):
        read(image, suffix)


def test_black_white_and_a_color_or_transparency_are_refused():
    three = painted((255, 255, 255), (0, 0, 0))
    three[0, 0] = (255, 0, 0)
    with pytest.raises(ImageError, match=r"\(255, 0, 0\) \(0\.0 %\)"):
        read(three)
    cut = np.dstack([GRAY, GRAY, GRAY, np.full_like(GRAY, 255)])
    cut[:9, :, 3] = 0
    with pytest.raises(
        ImageError, match=r"85\.9 % of its pixels are opaque with the gray levels 0"
    ):
        read(cut)


def test_noise_of_compression_does_not_make_one_color_two():
    noise = np.random.default_rng(0).integers(0, 9, GRAY.shape, np.uint8)
    assert not read(noise).white.any() and read(255 - noise).white.all()


def test_photographs_are_recognized_and_soft_masks_are_not():
    assert read(np.array(PhotoSource("held_out")[0])).is_photograph
    soft = Image.fromarray(GRAY).resize((480, 640), Image.Resampling.BICUBIC)
    assert not read(soft).is_photograph
    assert not read(painted(128, 0)[..., 0]).is_photograph


def test_values_are_named_with_their_shares_the_commonest_first():
    assert read(GRAY).values() == "0 (81.2 %), 255 (18.8 %)"
    assert read(np.arange(256, dtype=np.uint8)[None]).values().endswith("252 others")
