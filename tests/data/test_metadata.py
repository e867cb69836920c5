"""Pixels are used whatever is wrong with what stands beside them."""

import io
import struct
import zlib

import numpy as np
import pytest
from PIL import Image, PngImagePlugin

from madf_jax.data import decoding
from madf_jax.data.images import image_size, read_image
from madf_jax.data.metadata import can_strip, without_metadata
from madf_jax.errors import UserError

RGB = np.random.default_rng(0).integers(0, 256, (40, 50, 3), np.uint8)
TURNED = Image.Exif()
TURNED[0x0112] = 6  # shown turned clockwise by a quarter
LONG = "x" * 2_000_000


def encoded(suffix="PNG", **more):
    file = io.BytesIO()
    Image.fromarray(RGB).save(file, suffix, **more)
    return file.getvalue()


def chunk(kind, data, checksum=None):
    checksum = zlib.crc32(kind + data) if checksum is None else checksum
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", checksum)


def with_chunk(new, *, at_end=False, **more):
    png = encoded(**more)
    place = len(png) - 12 if at_end else 33  # before IEND, after IHDR
    return png[:place] + new + png[place:]


LONG_TEXT = chunk(b"zTXt", b"Comment\0\0" + zlib.compress(LONG.encode()))
GOOD = {
    "long compressed text": with_chunk(LONG_TEXT),
    "long text at the end": with_chunk(LONG_TEXT, at_end=True),
    "long international text": with_chunk(
        chunk(b"iTXt", b"Comment\0\1\0\0\0" + zlib.compress(LONG.encode()))
    ),
    "text of an unknown compression": with_chunk(chunk(b"zTXt", b"Comment\0\7x")),
    "long color profile": encoded(icc_profile=bytes(2_000_000)),
    "text with a bad checksum": with_chunk(chunk(b"tEXt", b"a\0b", 5)),
    "text with a bad checksum at the end": with_chunk(chunk(b"tEXt", b"a\0b", 5), at_end=True),
    "EXIF that is none": encoded(exif=b"Exif\0\0no EXIF at all"),
    "EXIF with a bad checksum": with_chunk(chunk(b"eXIf", TURNED.tobytes()[6:], 5)),
    "short gamma": with_chunk(chunk(b"gAMA", b"x")),
    "short animation": with_chunk(chunk(b"acTL", b"x")),
}


@pytest.mark.parametrize("name", GOOD)
def test_bad_metadata_of_a_png_does_not_cost_its_pixels(tmp_path, name):
    (tmp_path / "a.png").write_bytes(GOOD[name])
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), RGB)
    assert image_size(tmp_path / "a.png") == (50, 40)


def test_much_text_does_not_cost_the_pixels(tmp_path):
    info = PngImagePlugin.PngInfo()
    for index in range(70):
        info.add_text(f"Comment {index}", "x" * 1_000_000, zip=True)
    Image.fromarray(RGB).save(tmp_path / "a.png", pnginfo=info)
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), RGB)


def test_an_orientation_that_can_be_read_is_applied_beside_bad_text(tmp_path):
    (tmp_path / "a.png").write_bytes(with_chunk(LONG_TEXT, exif=TURNED))
    np.testing.assert_array_equal(read_image(tmp_path / "a.png"), np.rot90(RGB, -1))


def test_transparency_stays(tmp_path):
    image = Image.fromarray(RGB[..., 0])
    info = PngImagePlugin.PngInfo()
    info.add_text("Comment", LONG, zip=True)
    image.save(tmp_path / "long.png", transparency=int(RGB[0, 0, 0]), pnginfo=info)
    image.save(tmp_path / "plain.png", transparency=int(RGB[0, 0, 0]))
    read = read_image(tmp_path / "long.png")
    np.testing.assert_array_equal(read, read_image(tmp_path / "plain.png"))
    assert (read[0, 0] == 255).all()


@pytest.mark.parametrize("suffix", ["jpg", "webp"])
def test_exif_that_is_none_does_not_cost_the_pixels(tmp_path, suffix):
    Image.fromarray(RGB).save(tmp_path / f"bad.{suffix}", exif=b"Exif\0\0no EXIF at all")
    Image.fromarray(RGB).save(tmp_path / f"plain.{suffix}")
    expected = read_image(tmp_path / f"plain.{suffix}")
    np.testing.assert_array_equal(read_image(tmp_path / f"bad.{suffix}"), expected)


def test_a_jpeg_with_a_bad_header_of_an_application_is_read(tmp_path):
    jpeg = encoded("JPEG", exif=TURNED)
    assert jpeg[2:4] == b"\xff\xe0"
    bad = jpeg[:2] + b"\xff\xe0\x00\x07JFIF\0" + jpeg[2:]
    (tmp_path / "bad.jpg").write_bytes(bad)
    (tmp_path / "plain.jpg").write_bytes(jpeg)
    with pytest.raises(OSError):
        Image.open(tmp_path / "bad.jpg")
    read = read_image(tmp_path / "bad.jpg")
    np.testing.assert_array_equal(read, read_image(tmp_path / "plain.jpg"))
    assert read.shape == (50, 40, 3)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        (with_chunk(LONG_TEXT)[:-900], "truncated"),
        (encoded()[:29] + bytes(4) + encoded()[33:], "damaged header"),  # its checksum
        (with_chunk(chunk(b"tRNS", b"123456", 5)), "damaged header"),
        (encoded("JPEG")[:-500], "truncated"),
    ],
)
def test_damaged_pixels_stay_damaged(tmp_path, bad, reason):
    (tmp_path / "a.png").write_bytes(bad)
    with pytest.raises(UserError, match=f"a.png: .*{reason}"):
        read_image(tmp_path / "a.png")


def test_large_files_and_those_of_other_formats_are_not_read_whole(tmp_path, monkeypatch):
    (tmp_path / "other.png").write_bytes(b"no image" * 1000)
    (tmp_path / "large.png").write_bytes(GOOD["long compressed text"])
    monkeypatch.setattr(decoding, "MOST_BYTES", 1000)
    monkeypatch.setattr(decoding, "without_metadata", lambda _: pytest.fail("stripped"))
    for name, reason in {"other.png": "not a JPEG", "large.png": "broken or truncated"}.items():
        with pytest.raises(UserError, match=f"{name}: {reason}"):
            read_image(tmp_path / name)


def test_no_bytes_make_it_fail_or_grow():
    generator = np.random.default_rng(0)
    for good in (GOOD["text with a bad checksum"], encoded("JPEG", exif=TURNED, comment=b"x" * 9)):
        for cut in range(0, len(good), 97):
            assert len(without_metadata(good[: cut + 8])) <= cut + 8
        for _ in range(300):
            damaged = bytearray(good)
            damaged[int(generator.integers(8, 400))] = int(generator.integers(256))
            assert len(without_metadata(bytes(damaged))) <= len(good)
    assert not can_strip(b"BM whatever")
