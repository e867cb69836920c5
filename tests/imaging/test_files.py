"""Image files read and written: pixels, modes, metadata; what can't be is refused."""

import dataclasses
import struct
import zlib

import cv2
import numpy as np
import pytest
import tifffile
from PIL import ExifTags, Image

from madf_jax.data.decoding import turn_upright as upright
from madf_jax.errors import UserError
from madf_jax.imaging.formats import format_of
from madf_jax.imaging.reading import read_image_file
from madf_jax.imaging.writing import require_fits, write_image_file

LOSSLESS = [
    *(("png", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "I;16")),
    *(("tif", mode) for mode in ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F")),
    *(("bmp", mode) for mode in ("1", "L", "P", "RGB")),
]


def round_trip(source, target):
    write_image_file(target, read_image_file(source))
    return read_image_file(target)


@pytest.mark.parametrize(("suffix", "mode"), LOSSLESS)
def test_pixels_and_metadata_come_back(suffix, mode, make_image, exif, profile, tmp_path):
    image, source = make_image(mode), tmp_path / f"in.{suffix}"
    image.save(source, exif=exif, icc_profile=profile, dpi=(300, 300))
    stored = read_image_file(source)
    assert stored.image.tobytes() == Image.open(source).tobytes()
    again = round_trip(source, tmp_path / f"out.{suffix}")
    assert again.image.mode == stored.image.mode
    assert again.image.tobytes() == stored.image.tobytes()
    if suffix in ("png", "tif"):
        assert again.metadata.exif == stored.metadata.exif != b""
        assert again.metadata.icc_profile == profile
    np.testing.assert_allclose(again.metadata.dpi, 300, rtol=1e-5)


@pytest.mark.parametrize("source", ["jpg", "webp", "png", "tif"])
@pytest.mark.parametrize("target", ["jpg", "webp", "png", "tif"])
def test_metadata_goes_from_format_to_format(source, target, make_image, exif, profile, tmp_path):
    xmp = b"<x:xmpmeta xmlns:x='adobe:ns:meta/'/>"
    extra = {"xmp": xmp} if source in ("jpg", "webp") else {}
    make_image().save(tmp_path / f"in.{source}", exif=exif, icc_profile=profile, **extra)
    again = round_trip(tmp_path / f"in.{source}", tmp_path / f"out.{target}")
    assert again.metadata.icc_profile == profile
    assert again.metadata.xmp == extra.get("xmp", b"")
    block = Image.Exif()
    block.load(again.metadata.exif)
    assert block[ExifTags.Base.Make] == "Maker"
    assert block.get_ifd(ExifTags.IFD.Exif)[ExifTags.Base.DateTimeOriginal].startswith("2020")
    assert block.get_ifd(ExifTags.IFD.GPSInfo)[1] == "N"


def test_text_and_colorimetry_of_a_png_are_kept(tmp_path, make_image):
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("Title", "A title")
    text.add(b"gAMA", (45455).to_bytes(4))
    make_image().save(tmp_path / "in.png", pnginfo=text)
    round_trip(tmp_path / "in.png", tmp_path / "out.png")
    with Image.open(tmp_path / "out.png") as image:
        assert image.info["gamma"] == pytest.approx(0.45455)
        assert image.text == {"Title": "A title"}


@pytest.mark.parametrize("orientation", range(1, 9))
@pytest.mark.parametrize("suffix", ["png", "jpg", "tif"])
def test_orientation_is_applied_once(orientation, suffix, make_image, tmp_path):
    image, block = make_image("L"), Image.Exif()
    block[ExifTags.Base.Orientation] = orientation
    image.save(tmp_path / f"in.{suffix}", exif=block.tobytes(), quality=100)
    with Image.open(tmp_path / f"in.{suffix}") as opened:
        # Pillow turns a TIFF itself, once its pixels are needed.
        pixels = np.asarray(image if suffix == "tif" else opened)
    stored = read_image_file(tmp_path / f"in.{suffix}")
    assert stored.orientation == orientation
    expected = upright(pixels, orientation)
    np.testing.assert_array_equal(np.asarray(stored.image), expected)
    again = round_trip(tmp_path / f"in.{suffix}", tmp_path / f"out.{suffix}")
    assert again.orientation == 1
    difference = np.asarray(again.image).astype(int) - expected
    assert np.abs(difference).max() <= (0 if suffix != "jpg" else 8)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_orientation_is_applied_to_color_of_16_bits(suffix, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (13, 21, 3), np.uint16)
    path, block = tmp_path / f"in.{suffix}", Image.Exif()
    block[ExifTags.Base.Orientation] = 6
    if suffix == "tif":
        tifffile.imwrite(path, pixels, photometric="rgb", extratags=[(274, "H", 1, 6, True)])
    else:
        Image.new("RGB", (21, 13)).save(path, exif=block.tobytes())
        encoded = cv2.imencode(".png", pixels[..., ::-1])[1].tobytes()
        plain = path.read_bytes()
        at = plain.index(b"eXIf") - 4
        chunk = plain[at : at + 12 + int.from_bytes(plain[at : at + 4])]
        path.write_bytes(encoded[:33] + chunk + encoded[33:])
    stored = read_image_file(path)
    assert stored.orientation == 6
    np.testing.assert_array_equal(stored.image, upright(pixels, 6))


def test_damaged_metadata_does_not_cost_the_image(make_image, tmp_path):
    make_image().save(tmp_path / "in.png", icc_profile=b"profile", exif=b"Exif\0\0MM\0*")
    encoded = bytearray((tmp_path / "in.png").read_bytes())
    encoded[encoded.index(b"iCCP") + 9] ^= 0xFF
    (tmp_path / "in.png").write_bytes(encoded)
    again = round_trip(tmp_path / "in.png", tmp_path / "out.png")
    assert again.image.tobytes() == make_image().tobytes()


def test_a_thumbnail_of_what_was_there_is_not_kept(tmp_path, make_image):
    thumbnail = b"\xff\xd8secret\xff\xd9"
    first = b"\x01\x00" + b"\x0f\x01\x02\x00\x04\x00\x00\x00abc\x00"
    at = 8 + len(first) + 4
    second = (
        b"\x02\x00\x01\x02\x04\x00\x01\x00\x00\x00"
        + (at + 2 + 24 + 4).to_bytes(4, "little")
        + b"\x02\x02\x04\x00\x01\x00\x00\x00"
        + len(thumbnail).to_bytes(4, "little")
    )
    block = b"Exif\0\0II*\0\x08\0\0\0" + first + at.to_bytes(4, "little") + second + bytes(4)
    make_image().save(tmp_path / "in.jpg", exif=block + thumbnail)
    assert b"secret" in (tmp_path / "in.jpg").read_bytes()
    again = round_trip(tmp_path / "in.jpg", tmp_path / "out.jpg")
    assert b"secret" not in (tmp_path / "out.jpg").read_bytes()
    assert b"abc" in again.metadata.exif


@pytest.mark.parametrize("channels", [3, 4])
@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_color_of_16_bits_keeps_all_of_them(suffix, channels, profile, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (13, 21, channels), np.uint16)
    source = tmp_path / f"in.{suffix}"
    if suffix == "png":
        order = [2, 1, 0, 3][:channels]
        cv2.imwrite(str(source), pixels[..., order])
    else:
        # metadata=None: else there is a second description, and Pillow before 13 reads that one.
        options = {"iccprofile": profile, "description": "text", "metadata": None}
        tifffile.imwrite(source, pixels, photometric="rgb", **options)
    stored = read_image_file(source)
    np.testing.assert_array_equal(stored.image, pixels)
    for target in ("png", "tif"):
        again = round_trip(source, tmp_path / f"out.{target}")
        np.testing.assert_array_equal(again.image, pixels)
        if suffix == "tif":
            assert again.metadata.icc_profile == profile
            assert b"text" in again.metadata.exif


def png_chunk(kind, data):
    return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))


def png(header, rows, palette=b""):
    """A PNG as Pillow would not write it."""
    lines = b"".join(b"\0" + row.tobytes() for row in rows)
    chunks = [
        (b"IHDR", header),
        (b"PLTE", palette),
        (b"IDAT", zlib.compress(lines)),
        (b"IEND", b""),
    ]
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        png_chunk(kind, data) for kind, data in chunks if data or kind == b"IEND"
    )


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_gray_of_16_bits_with_alpha_stays_gray(suffix, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (13, 21, 2), np.uint16)
    header = struct.pack(">IIBBBBB", 21, 13, 16, 4, 0, 0, 0)
    (tmp_path / "in.png").write_bytes(png(header, pixels.astype(">u2")))
    np.testing.assert_array_equal(read_image_file(tmp_path / "in.png").image, pixels)
    again = round_trip(tmp_path / "in.png", tmp_path / f"out.{suffix}")
    np.testing.assert_array_equal(again.image, pixels[..., [0, 0, 0, 1]])


def test_pixels_beyond_the_palette_are_not_moved_into_it(tmp_path):
    rows = np.random.default_rng(0).integers(0, 40, (13, 21), np.uint8)
    header = struct.pack(">IIBBBBB", 21, 13, 8, 3, 0, 0, 0)
    (tmp_path / "in.png").write_bytes(png(header, rows, bytes(range(100, 112))))
    again = round_trip(tmp_path / "in.png", tmp_path / "out.png")
    np.testing.assert_array_equal(np.asarray(again.image), rows)
    colors = np.asarray(again.image.convert("RGB"))
    assert not colors[rows > 3].any() and colors[rows < 4].all()


def test_a_bmp_of_16_bits_a_pixel_has_8_bits_a_channel(tmp_path):
    masks = (31 << 11, 63 << 5, 31)
    pixels = np.full((2, 4), masks[0], np.uint16)
    header = struct.pack("<IiiHHIIiiII3I", 40, 4, 2, 1, 16, 3, pixels.nbytes, 0, 0, 0, 0, *masks)
    start = 14 + len(header)
    file_header = b"BM" + struct.pack("<IHHI", start + pixels.nbytes, 0, 0, start)
    (tmp_path / "x.bmp").write_bytes(file_header + header + pixels.tobytes())
    np.testing.assert_array_equal(
        read_image_file(tmp_path / "x.bmp").image, [[[255, 0, 0]] * 4] * 2
    )


@pytest.mark.parametrize(("dtype", "white"), [(np.uint8, 255), (np.uint16, 65535)])
def test_a_tiff_in_which_0_is_white_looks_the_same(dtype, white, tmp_path):
    pixels = np.random.default_rng(0).integers(0, white + 1, (13, 21), dtype)
    tifffile.imwrite(tmp_path / "in.tif", pixels, photometric="miniswhite")
    np.testing.assert_array_equal(read_image_file(tmp_path / "in.tif").image, white - pixels)
    again = round_trip(tmp_path / "in.tif", tmp_path / "out.tif")
    np.testing.assert_array_equal(again.image, white - pixels)


@pytest.mark.parametrize("suffix", ["png", "tif"])
def test_gray_of_16_bits_keeps_them_whatever_the_byte_order(suffix, tmp_path):
    pixels = np.random.default_rng(0).integers(0, 65536, (13, 21), np.uint16)
    tifffile.imwrite(tmp_path / "in.tif", pixels, byteorder=">")
    again = round_trip(tmp_path / "in.tif", tmp_path / f"out.{suffix}")
    np.testing.assert_array_equal(np.asarray(again.image), pixels)


@pytest.mark.parametrize(
    ("shape", "layout"),
    [
        ((8, 9, 4), {"photometric": "separated"}),
        ((3, 8, 9), {"photometric": "rgb", "planarconfig": "separate"}),
    ],
)
def test_inks_and_planes_of_16_bits_are_refused_without_a_word_of_opencv(
    shape, layout, tmp_path, capfd
):
    tifffile.imwrite(tmp_path / "x.tif", np.zeros(shape, np.uint16), **layout)
    with pytest.raises(UserError, match=r"x\.tif: has (color of 16 bits in a|16-bit)"):
        read_image_file(tmp_path / "x.tif")
    assert capfd.readouterr() == ("", "")


def test_a_jpeg_keeps_its_quantization_unless_a_quality_is_given(make_image, tmp_path):
    source = tmp_path / "in.jpg"
    make_image(size=(64, 64)).save(source, quality=61, subsampling=1)
    stored = read_image_file(source)
    write_image_file(tmp_path / "kept.jpg", stored)
    write_image_file(tmp_path / "small.jpg", stored, quality=5)
    with Image.open(source) as before, Image.open(tmp_path / "kept.jpg") as kept:
        assert kept.quantization == before.quantization
        assert np.asarray(kept).shape == (64, 64, 3)
    with Image.open(tmp_path / "small.jpg") as small:
        assert small.quantization[0][0] > 61


def test_a_lossless_webp_stays_so(make_image, tmp_path):
    make_image().save(tmp_path / "in.webp", lossless=True)
    again = round_trip(tmp_path / "in.webp", tmp_path / "out.webp")
    assert again.image.tobytes() == make_image().tobytes()


def test_a_camera_jpeg_with_a_preview_is_a_still_image(make_image, tmp_path):
    preview = make_image(size=(8, 8))
    make_image().save(tmp_path / "in.jpg", "MPO", save_all=True, append_images=[preview])
    stored = read_image_file(tmp_path / "in.jpg")
    assert (stored.file_format, stored.image.size) == ("JPEG", (21, 13))


@pytest.mark.parametrize(
    ("suffix", "text"), [("png", "an animation"), ("webp", "an animation"), ("tif", "2 pages")]
)
def test_animations_are_refused_by_name(suffix, text, tmp_path, make_image):
    path = tmp_path / f"moving.{suffix}"
    make_image().save(path, save_all=True, append_images=[make_image(seed=1)])
    with pytest.raises(UserError, match=rf"moving\.{suffix}: is .*{text}.*; give a still image"):
        read_image_file(path)


@pytest.mark.parametrize(
    ("content", "message"),
    [(b"", "not a JPEG.*an empty file"), (b"text", "not a JPEG"), (None, "no such file")],
)
def test_what_is_no_image_is_refused(content, message, tmp_path):
    path = tmp_path / "x.png"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UserError, match=rf"x\.png: .*{message}"):
        read_image_file(path)


@pytest.mark.parametrize("suffix", ["png", "jpg", "tif", "webp", "bmp"])
def test_truncated_files_are_refused(suffix, tmp_path, make_image):
    path = tmp_path / f"x.{suffix}"
    make_image("L", size=(90, 90)).save(path)
    whole = path.read_bytes()
    path.write_bytes(whole[: len(whole) // 2])
    with pytest.raises(UserError, match=rf"x\.{suffix}: (broken|not an? )"):
        read_image_file(path)


@pytest.mark.parametrize(
    ("mode", "suffix", "message"),
    [
        ("RGBA", "jpg", "JPEG can't hold transparency; use one of .png, .webp, .tif, .tiff"),
        ("LA", "bmp", "can't hold transparency"),
        ("CMYK", "png", "can't hold CMYK; use one of .jpg, .jpeg, .jfif, .tif, .tiff"),
        ("I;16", "webp", "can't hold 16 bits; use one of .png, .tif, .tiff"),
        ("F", "png", "can't hold floats; use one of .tif, .tiff"),
        ("RGB", "heic", "the suffix .heic names no format to write; use one of .png"),
        ("RGB", "", "a name without suffix names no format to write"),
    ],
)
def test_what_a_format_can_not_hold_is_refused_before_work(
    mode, suffix, message, tmp_path, make_image
):
    make_image(mode).save(tmp_path / "in.tif")
    stored = read_image_file(tmp_path / "in.tif")
    with pytest.raises(UserError, match=rf"out.*{message}"):
        require_fits(tmp_path / f"out.{suffix}", stored)
    with pytest.raises(UserError):
        write_image_file(tmp_path / f"out.{suffix}", stored)
    assert not list(tmp_path.glob("*out*"))


@pytest.mark.parametrize(
    ("mode", "suffix", "held"),
    [("1", "jpg", "L"), ("P", "webp", "RGB"), ("I", "png", "I;16"), ("LA", "webp", "RGBA")],
)
def test_wider_modes_hold_the_same(mode, suffix, held, tmp_path, make_image):
    make_image(mode).save(tmp_path / "in.tif")
    write_image_file(tmp_path / f"out.{suffix}", read_image_file(tmp_path / "in.tif"), quality=100)
    with Image.open(tmp_path / f"out.{suffix}") as image:
        assert image.mode == held


def test_alpha_that_is_opaque_is_no_transparency(tmp_path, make_image):
    image = make_image("RGB")
    opaque = image.copy()
    opaque.putalpha(255)
    opaque.save(tmp_path / "in.png")
    again = round_trip(tmp_path / "in.png", tmp_path / "out.bmp")
    assert again.image.tobytes() == image.tobytes()


def test_a_transparent_palette_entry_is_kept_or_widened(tmp_path, make_image):
    make_image("P").save(tmp_path / "in.png", transparency=3)
    kept = round_trip(tmp_path / "in.png", tmp_path / "out.png")
    assert (kept.image.mode, kept.image.info["transparency"]) == ("P", 3)
    wide = round_trip(tmp_path / "in.png", tmp_path / "out.tif")
    assert wide.image.mode == "RGBA"
    assert wide.image.tobytes() == kept.image.convert("RGBA").tobytes()


def test_what_stood_there_is_left_if_writing_fails(tmp_path, make_image, monkeypatch):
    make_image().save(tmp_path / "in.png")
    stored = read_image_file(tmp_path / "in.png")
    (tmp_path / "out.png").write_bytes(b"before")

    def fail(self, path, *args, **options):
        path.write_bytes(b"half")
        raise RuntimeError("encoder error")

    monkeypatch.setattr(Image.Image, "save", fail)
    with pytest.raises(UserError, match=r"out\.png: can't be written as PNG \(encoder error\)"):
        write_image_file(tmp_path / "out.png", stored)
    assert (tmp_path / "out.png").read_bytes() == b"before"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["in.png", "out.png"]


def test_the_suffix_names_the_format_in_any_case(tmp_path):
    assert format_of(tmp_path / "x.JPEG") == "JPEG"


def test_stored_images_are_compared_by_what_they_hold(tmp_path, make_image):
    make_image().save(tmp_path / "x.png")
    stored = read_image_file(tmp_path / "x.png")
    changed = dataclasses.replace(stored, image=make_image(seed=1))
    write_image_file(tmp_path / "y.png", changed)
    assert read_image_file(tmp_path / "y.png").image.tobytes() == make_image(seed=1).tobytes()
