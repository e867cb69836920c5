"""What an image file says besides its pixels, and how each format writes it again.

Orientation is left out, since pixels are upright, and so are thumbnails: they show what was there
before it was painted over.
"""

import dataclasses
import struct
from typing import Any

from PIL import ExifTags, Image, JpegImagePlugin, PngImagePlugin

# How a TIFF lays out its pixels, and what `Metadata` holds apart (numbers of TIFF 6.0).
_TIFF_LAYOUT = frozenset(
    [
        *range(254, 260),
        *(262, 266, 273, 277, 278, 279, 282, 283, 284, 296, 317, 320),
        *range(322, 326),
        *(330, 338, 339, 347, 513, 514),
        *range(529, 533),
        34675,
    ]
)
_XMP_TAG = 700  # TIFF's field for it
_XMP_KEYWORD = "XML:com.adobe.xmp"  # PNG's
_SUB_DIRECTORIES = (ExifTags.IFD.Exif, ExifTags.IFD.GPSInfo)


@dataclasses.dataclass(frozen=True)
class Metadata:
    """What is kept.

    Attributes:
        exif: a block as EXIF has it, or empty.
        icc_profile: or empty.
        xmp: or empty.
        dpi: horizontal and vertical resolution.
        comment: of a JPEG.
        text: of a PNG, by keyword.
        colorimetry: chunks of a PNG that say what its values mean, by name.
        encoding: how the file was compressed, as Pillow's `save` of its format takes it.
    """

    exif: bytes = b""
    icc_profile: bytes = b""
    xmp: bytes = b""
    dpi: tuple[float, float] | None = None
    comment: bytes = b""
    text: dict[str, str] = dataclasses.field(default_factory=dict)
    colorimetry: dict[bytes, bytes] = dataclasses.field(default_factory=dict)
    encoding: dict[str, Any] = dataclasses.field(default_factory=dict)


def read_metadata(image: Image.Image) -> Metadata:
    """Reads what an open file says besides its pixels."""
    info = image.info
    text = {key: str(value) for key, value in getattr(image, "text", {}).items()}
    xmp = info.get("xmp") or text.pop(_XMP_KEYWORD, "")
    return Metadata(
        exif=_exif(image),
        icc_profile=info.get("icc_profile") or b"",
        xmp=_bytes(xmp),
        dpi=_dpi(info),
        comment=_bytes(info.get("comment") or b""),
        text={key: value for key, value in text.items() if not key.startswith("Raw profile")},
        colorimetry=_colorimetry(info),
        encoding=_encoding(image),
    )


def save_options(metadata: Metadata, file_format: str, source_format: str) -> dict[str, Any]:
    """Arguments of Pillow's `save` that write it.

    Args:
        metadata: of the file that was read.
        file_format: that is written; it leaves out what it has no place for.
        source_format: that was read; how it was compressed is kept if both are the same.
    """
    options: dict[str, Any] = {}
    if file_format != "BMP":
        options |= _given(exif=metadata.exif, icc_profile=metadata.icc_profile)
    if file_format != "WEBP":
        options |= _given(dpi=metadata.dpi)
    if file_format in ("JPEG", "WEBP"):
        options |= _given(xmp=metadata.xmp)
    if file_format == "JPEG":
        options |= _given(comment=metadata.comment)
    if file_format == "PNG":
        options["pnginfo"] = _png_info(metadata)
    if file_format == "TIFF" and metadata.xmp:
        options["exif"] = _with_xmp(metadata)
    return options | (metadata.encoding if file_format == source_format else {})


def _given(**values: Any) -> dict[str, Any]:
    return {name: value for name, value in values.items() if value}


def _bytes(value: bytes | str) -> bytes:
    return value.encode() if isinstance(value, str) else bytes(value)


def _dpi(info: dict[Any, Any]) -> tuple[float, float] | None:
    horizontal, vertical = (float(value) for value in info.get("dpi", (1, 1)))
    return (horizontal, vertical) if horizontal > 1 else None  # 1 is a TIFF's for none


def _exif(image: Image.Image) -> bytes:
    """Empty, too, for a block that can't be parsed: that does not cost the image."""
    left_out = {int(ExifTags.Base.Orientation), _XMP_TAG}
    left_out |= _TIFF_LAYOUT if image.format == "TIFF" else frozenset()
    try:
        read, kept = image.getexif(), Image.Exif()
        for tag, value in read.items():
            if tag not in left_out:
                kept[tag] = read.get_ifd(tag) if tag in _SUB_DIRECTORIES else value
        return kept.tobytes() if len(kept) else b""
    except Exception:  # parsers of EXIF raise almost anything
        return b""


def _with_xmp(metadata: Metadata) -> bytes:
    exif = Image.Exif()
    exif.load(metadata.exif)
    exif[_XMP_TAG] = metadata.xmp
    return exif.tobytes()


def has_sub_directories(exif: bytes) -> bool:
    """Whether an EXIF block holds directories of its own, such as a camera's or a place."""
    read = Image.Exif()
    read.load(exif)
    return any(tag in read for tag in _SUB_DIRECTORIES)


def _encoding(image: Image.Image) -> dict[str, Any]:
    match image.format:
        case "JPEG" | "MPO":
            assert isinstance(image, JpegImagePlugin.JpegImageFile)
            sampling = JpegImagePlugin.get_sampling(image)
            return {
                "qtables": image.quantization,
                "progressive": bool(image.info.get("progressive")),
                **({"subsampling": sampling} if sampling >= 0 else {}),
            }
        case "TIFF":
            return {"compression": image.info.get("compression", "raw")}
    return {}


def _colorimetry(info: dict[Any, Any]) -> dict[bytes, bytes]:
    chunks = {}
    if "gamma" in info:
        chunks[b"gAMA"] = struct.pack(">I", round(info["gamma"] * 100_000))
    if "srgb" in info:
        chunks[b"sRGB"] = bytes([info["srgb"]])
    if "chromaticity" in info:
        values = (round(value * 100_000) for value in info["chromaticity"])
        chunks[b"cHRM"] = struct.pack(">8I", *values)
    return chunks


def _png_info(metadata: Metadata) -> PngImagePlugin.PngInfo:
    png = PngImagePlugin.PngInfo()
    for name, data in metadata.colorimetry.items():
        png.add(name, data)
    for keyword, text in metadata.text.items():
        png.add_itxt(keyword, text)
    if metadata.xmp:
        png.add_itxt(_XMP_KEYWORD, metadata.xmp.decode(errors="replace"))
    return png
