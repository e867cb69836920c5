"""Masks of any kind as known pixels."""

import io

import numpy as np
import pytest
from PIL import Image

from madf_jax.errors import UserError
from madf_jax.imaging.masks import to_mask

SIZE = (30, 40)


@pytest.fixture
def known():
    known = np.ones(SIZE, bool)
    known[5:12, 8:30] = False
    return known


def animation(suffix="PNG"):
    file, frames = io.BytesIO(), [Image.new("L", SIZE, value) for value in (0, 255)]
    frames[0].save(file, suffix, save_all=True, append_images=frames[1:])
    return file.getvalue()


def truncated():
    file = io.BytesIO()
    Image.effect_noise((90, 90), 99).save(file, "PNG")
    return file.getvalue()[:-4000]


def opened(encoded):
    return Image.open(io.BytesIO(encoded))


def as_rgba(known):
    """White where it is known, on transparent pixels."""
    pixels = np.zeros((*SIZE, 4), np.uint8)
    pixels[known] = 255
    return pixels


KINDS = {
    "bool": lambda known: known,
    "0 and 1": lambda known: known.astype(np.uint8),
    "0 and 255": lambda known: known.astype(np.uint8) * 255,
    "column": lambda known: known.astype(np.uint8)[..., None],
    "int64": lambda known: known.astype(np.int64),
    "16 bits": lambda known: known.astype(np.uint16) * 65535,
    "float32": lambda known: known.astype(np.float32),
    "float64": lambda known: known * 0.9,
    "rgb array": lambda known: np.repeat(known.astype(np.uint8)[..., None] * 255, 3, axis=-1),
    "rgba array": as_rgba,
    "1": lambda known: Image.fromarray(known),
    "L": lambda known: Image.fromarray(known.astype(np.uint8) * 255),
    "RGB": lambda known: Image.fromarray(known).convert("RGB"),
    "LA": lambda known: Image.fromarray(known).convert("L").convert("LA"),
    "CMYK": lambda known: Image.fromarray(known).convert("RGB").convert("CMYK"),
    "RGBA": lambda known: Image.fromarray(as_rgba(known)),
}


@pytest.mark.parametrize("kind", KINDS)
def test_any_kind_marks_the_same_hole(kind, known):
    mask = to_mask(KINDS[kind](known), SIZE, "black")
    assert mask.known.dtype == bool
    np.testing.assert_array_equal(mask.known, known)
    inverted = to_mask(KINDS[kind](~known), SIZE, "white")
    np.testing.assert_array_equal(inverted.known, known)


@pytest.mark.parametrize("kind", ["bool", "0 and 1", "0 and 255", "float32", "L"])
def test_what_is_plain_needs_no_remark(kind, known):
    assert to_mask(KINDS[kind](known), SIZE, "black").remarks == ()


def test_gray_edges_are_cut_and_said(known):
    soft = np.asarray(
        Image.fromarray(known.astype(np.uint8) * 255).resize((41, 31)).resize((40, 30))
    )
    mask = to_mask(Image.fromarray(soft), SIZE, "black")
    np.testing.assert_array_equal(mask.known, soft > 127)
    assert mask.remarks == ("has gray values, cut at 127",)


def test_a_jpeg_needs_no_remark(known, tmp_path):
    Image.fromarray(known.astype(np.uint8) * 255).resize((400, 300)).save(tmp_path / "m.jpg")
    mask = to_mask(tmp_path / "m.jpg", (300, 400), "black")
    assert mask.known.mean() == pytest.approx(known.mean(), abs=0.01)


def test_another_size_is_resized_by_nearest_neighbor_and_said(known):
    mask = to_mask(known, (60, 80), "black")
    np.testing.assert_array_equal(mask.known, known.repeat(2, 0).repeat(2, 1))
    assert mask.remarks == ("is 40x30 and was resized to 80x60 by nearest neighbor",)


def test_a_mask_of_the_stored_size_is_turned_with_the_image(known):
    mask = to_mask(known, SIZE[::-1], "black", orientation=6)
    np.testing.assert_array_equal(mask.known, np.rot90(known, -1))
    assert "was turned with it" in mask.remarks[0]
    as_shown = to_mask(np.rot90(known, -1), SIZE[::-1], "black", orientation=6)
    np.testing.assert_array_equal(as_shown.known, mask.known)
    assert as_shown.remarks == ()


def test_a_photograph_is_said(make_image):
    assert "photograph" in to_mask(make_image("L", (200, 200)), (200, 200), "black").remarks[0]


def test_nearly_all_hole_and_none_are_said(known):
    (none,) = to_mask(np.ones(SIZE, bool), SIZE, "black").remarks
    assert none == "has no hole, since hole=black (if white marks the hole, use hole=white)"
    (nearly,) = to_mask(known, SIZE, "white").remarks
    assert nearly.startswith("is 87 % hole, since hole=white (if black")


@pytest.mark.parametrize(
    ("mask", "hole", "message"),
    [
        (np.zeros(SIZE, bool), "black", "^m: is hole all over, since hole=black"),
        (np.ones(SIZE, np.uint8), "white", "^m: is hole all over, .* use hole=black"),
        (np.ones(SIZE, bool), "red", "hole must be 'black' or 'white', got 'red'"),
        (np.ones(5, bool), "black", r"^m: has shape \(5,\)"),
        (np.ones((5, 6, 3), bool), "black", r"^m: has shape \(5, 6, 3\) and dtype bool"),
        (np.ones((0, 6), bool), "black", r"^m: has shape \(0, 6\)"),
        (np.full(SIZE, np.nan), "black", "^m: .*nan"),
        (np.full(SIZE, -1), "black", "^m: .*from -1"),
        (np.full(SIZE, "x"), "black", "^m: has dtype str"),
        (
            np.ones((*SIZE, 7), np.uint8),
            "black",
            r"^m: has shape .*40, 7\); .* 1 to 4",
        ),
        (None, "black", "^m: is a NoneType; give a PIL image, an array or a path"),
        (Image.new("L", (0, 5)), "black", "^m: is 0x5, not a single pixel"),
        (opened(animation()), "black", "^m: is an animation; give one frame"),
        (opened(truncated()), "black", "^m: can't be decoded: image file is truncated"),
    ],
)
def test_what_is_no_mask_is_refused_by_name(mask, hole, message):
    with pytest.raises(UserError, match=message):
        to_mask(mask, SIZE, hole, "m")


def test_a_missing_file_is_refused_by_its_name(tmp_path):
    with pytest.raises(UserError, match=r"x\.png: .*no such file"):
        to_mask(tmp_path / "x.png", SIZE, "black")


@pytest.mark.parametrize(("suffix", "kind"), [("PNG", "an animation"), ("TIFF", "a document of 2")])
def test_a_file_with_more_than_one_mask_is_refused(suffix, kind, tmp_path):
    (tmp_path / "m").write_bytes(animation(suffix))
    with pytest.raises(UserError, match=rf"m: is {kind}"):
        to_mask(tmp_path / "m", SIZE, "black")
