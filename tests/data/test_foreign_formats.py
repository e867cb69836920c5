"""Files that are no images for us, by their first bytes."""

import io

import numpy as np
import pytest
import tifffile
from PIL import Image

from madf_jax.data.decoding import ImageError
from madf_jax.data.foreign_formats import why_not_read
from madf_jax.data.images import read_image

NOT_READ = "not a JPEG, PNG, WebP, BMP or TIFF image"
HEADS = {
    "HEIC": b"\0\0\0\x18ftypheic",
    "HEIF": b"\0\0\0\x18ftypmif1",
    "AVIF": b"\0\0\0\x20ftypavif",
    "JPEG XL": b"\xff\x0a\x91\x01",
    "PSD": b"8BPS\0\x01",
    "SVG": b"<svg xmlns=",
}


def encoded(file_format):
    file = io.BytesIO()
    Image.new("L", (16, 16)).save(file, file_format)
    return file.getvalue()


@pytest.mark.parametrize("name", HEADS)
def test_other_formats_are_named_with_what_to_do(name):
    assert why_not_read(HEADS[name]) == f"{NOT_READ} but {name}; convert it to PNG or JPEG"


@pytest.mark.parametrize(
    ("file_format", "name"), [("GIF", "GIF"), ("JPEG2000", "JPEG 2000"), ("ICO", "ICO")]
)
def test_an_error_names_the_format_whatever_the_suffix(file_format, name, tmp_path):
    (tmp_path / "x.png").write_bytes(encoded(file_format))
    with pytest.raises(ImageError, match=rf"x\.png: not a JPEG.* image but {name}; convert it"):
        read_image(tmp_path / "x.png")


@pytest.mark.parametrize(
    ("head", "text"),
    [
        (b"", " but an empty file"),
        (b"<!DOCTYPE html>", " but a web page"),
        (b"PK\x03\x04", " but a ZIP archive"),
        (b"\0\0\0\x18ftypqt  ", ""),
        (b"text", ""),
    ],
)
def test_what_is_no_image_needs_no_conversion(head, text):
    assert why_not_read(head) == f"{NOT_READ}{text}"


def test_a_tiff_of_another_kind_is_not_said_to_be_none(tmp_path):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros((8, 9)))
    with pytest.raises(ImageError, match="pixels of a kind that is not read; convert it to 8 or"):
        read_image(tmp_path / "x.tif")
