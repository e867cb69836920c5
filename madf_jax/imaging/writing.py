"""Image files, written whole or not at all, with the metadata of what was read."""

import contextlib
import io
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import tifffile
from PIL import Image

from madf_jax.errors import UserError
from madf_jax.files import write_whole
from madf_jax.imaging.formats import FORMATS, format_of
from madf_jax.imaging.metadata import has_sub_directories, save_options
from madf_jax.imaging.reading import StoredImage

JPEG_QUALITY = 95  # of what was no JPEG before

# What each format holds without loss.
_MODES = {
    "PNG": ("1", "L", "LA", "P", "RGB", "RGBA", "I;16"),
    "JPEG": ("L", "RGB", "CMYK"),
    "WEBP": ("RGB", "RGBA"),
    "TIFF": ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "I", "F"),
    "BMP": ("1", "L", "P", "RGB"),
}
_SIXTEEN_BIT_COLOR = ("PNG", "TIFF")
# Modes that hold the same pixels, by that of an image: if it is opaque, and if it is not.
_HELD_BY = {
    "1": ("1", "L", "RGB"),
    "L": ("L", "RGB"),
    "P": ("P", "RGB"),
    "LA": ("LA", "L", "RGBA", "RGB"),
    "RGBA": ("RGBA", "RGB"),
    "I;16B": ("I;16",),
    "I": ("I", "I;16"),
}
_HELD_BY_TRANSPARENT = {"LA": ("LA", "RGBA")}
_DESCRIPTIONS = {"CMYK": "CMYK", "I;16": "16 bits", "I": "16 bits", "F": "floats"}
_PNG_HEADER = 33  # bytes: the signature and the first chunk
_LOSSLESS_TIFF = ("raw", "tiff_lzw", "tiff_adobe_deflate", "tiff_deflate", "packbits", "group4")


def write_image_file(path: Path, stored: StoredImage, quality: int | None = None) -> None:
    """Writes an image with its metadata; the suffix names the format.

    A JPEG that was read from one keeps its quantization, unless a quality is given.

    Args:
        path: of the file; it appears whole or not at all.
        stored: what to write.
        quality: of a JPEG or WebP, 1 to 100.

    Raises:
        UserError: the format can't hold such pixels, or the file can't be written.
    """
    require_fits(path, stored)
    file_format = format_of(path)
    options = save_options(stored.metadata, file_format, stored.file_format)
    if isinstance(stored.image, np.ndarray):
        data = _encode_16_bit_color(stored.image, file_format, options)
        write_whole(path, lambda temporary: temporary.write_bytes(data))
        return
    image = _fitting(path, stored.image, file_format)
    options |= _encoder_options(file_format, options, quality)
    with _encoding(path):
        write_whole(path, lambda temporary: image.save(temporary, file_format, **options))


def require_fits(path: Path, stored: StoredImage) -> None:
    """Refuses a file that `write_image_file` could not write, before there is something to write.

    Raises:
        UserError: the suffix names no format, or its format can't hold such pixels.
    """
    file_format = format_of(path)
    if isinstance(stored.image, Image.Image):
        _fitting(path, stored.image, file_format)
    elif file_format not in _SIXTEEN_BIT_COLOR:
        raise _can_not_hold(path, "16 bits", _SIXTEEN_BIT_COLOR)


def _fitting(path: Path, image: Image.Image, file_format: str) -> Image.Image:
    """The image in a mode that a format holds, without loss."""
    modes, transparent = _MODES[file_format], _is_transparent(image)
    if transparent and image.mode in modes and file_format == "PNG":
        return image
    held_by = _HELD_BY.get(image.mode, (image.mode,))
    if transparent:
        held_by = _HELD_BY_TRANSPARENT.get(image.mode, ("RGBA",))
    for mode in held_by:
        if mode in modes:
            return image if mode == image.mode else _converted(image, mode)
    what = "transparency" if transparent else _DESCRIPTIONS.get(image.mode, image.mode)
    raise _can_not_hold(path, what, [name for name in _MODES if {*_MODES[name]} & {*held_by}])


def _converted(image: Image.Image, mode: str) -> Image.Image:
    if mode == "I;16":  # Pillow cuts 16 bits of the other byte order to 8
        return Image.fromarray(np.asarray(image).astype(np.uint16))
    return image.convert(mode)


def _is_transparent(image: Image.Image) -> bool:
    if not image.has_transparency_data:
        return False
    return bool((np.asarray(image.convert("RGBA").getchannel("A")) < 255).any())


def _can_not_hold(path: Path, what: str, formats: Sequence[str]) -> UserError:
    suffixes = ", ".join(suffix for suffix, name in FORMATS.items() if name in formats)
    return UserError(f"{path}: {format_of(path)} can't hold {what}; use one of {suffixes}")


def _encoder_options(
    file_format: str, options: dict[str, Any], quality: int | None
) -> dict[str, Any]:
    match file_format:
        case "JPEG" | "WEBP" if quality is not None:
            return {"quality": quality, "qtables": None, "lossless": False}
        case "JPEG" if "qtables" not in options:
            return {"quality": JPEG_QUALITY}
        case "WEBP" if "lossless" not in options:
            return {"quality": JPEG_QUALITY}
        case "TIFF":
            kept = options.get("compression", "tiff_adobe_deflate")
            # Pillow's compressed TIFFs have no room for EXIF's directories.
            plain = has_sub_directories(options.get("exif", b"")) or kept not in _LOSSLESS_TIFF
            return {"compression": "raw" if plain else kept}
    return {}


def _encode_16_bit_color(pixels: np.ndarray, file_format: str, options: dict[str, Any]) -> bytes:
    if pixels.shape[-1] == 2:  # no library at hand writes gray with alpha
        pixels = pixels[..., [0, 0, 0, 1]]
    if file_format == "PNG":
        return _encode_16_bit_png(pixels, options)
    return _encode_16_bit_tiff(pixels, options)


def _encode_16_bit_png(pixels: np.ndarray, options: dict[str, Any]) -> bytes:
    """OpenCV's pixels with the chunks of metadata that Pillow writes for an image of one pixel."""
    encoded = cv2.imencode(".png", pixels[..., [2, 1, 0, 3][: pixels.shape[-1]]])[1].tobytes()
    one_pixel = io.BytesIO()
    Image.new("RGB", (1, 1)).save(one_pixel, "PNG", **options)
    first, metadata = one_pixel.getvalue()[:_PNG_HEADER], b""
    rest = one_pixel.getvalue()[len(first) :]
    while rest:
        length = 12 + int.from_bytes(rest[:4])
        if rest[4:8] not in (b"IDAT", b"IEND"):
            metadata += rest[:length]
        rest = rest[length:]
    return encoded[:_PNG_HEADER] + metadata + encoded[_PNG_HEADER:]


def _encode_16_bit_tiff(pixels: np.ndarray, options: dict[str, Any]) -> bytes:
    """Of EXIF only the texts in its first directory are kept: tifffile can't write the others."""
    buffer, exif = io.BytesIO(), Image.Exif()
    exif.load(options.get("exif", b""))
    texts = [(tag, "s", 0, text, True) for tag, text in exif.items() if isinstance(text, str)]
    tifffile.imwrite(
        buffer,
        pixels,
        photometric="rgb",
        extrasamples=["unassalpha"] if pixels.shape[-1] == 4 else None,
        compression="zlib",
        iccprofile=options.get("icc_profile"),
        resolution=options.get("dpi"),
        resolutionunit="inch" if options.get("dpi") else None,
        metadata=None,
        software=False,
        extratags=texts,
    )
    return buffer.getvalue()


@contextlib.contextmanager
def _encoding(path: Path) -> Iterator[None]:
    try:
        yield
    except UserError:
        raise
    except Exception as error:  # encoders raise almost anything, too
        raise UserError(f"{path}: can't be written as {format_of(path)} ({error})") from error
