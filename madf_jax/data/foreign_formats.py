"""What files are that are not read as images, by their first bytes, so that errors name it."""

_TIFF = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

_IMAGES = {
    b"GIF8": "GIF",
    b"8BPS": "PSD",
    b"<svg": "SVG",
    b"\0\0\1\0": "ICO",
    b"\xff\x0a": "JPEG XL",
    b"\0\0\0\x0cJXL ": "JPEG XL",
    b"\xff\x4f\xff\x51": "JPEG 2000",
    b"\0\0\0\x0cjP  ": "JPEG 2000",
}
_OTHERS = {
    b"%PDF": "a PDF document",
    b"<?xml": "an XML file",
    b"<!DOCTYPE": "a web page",
    b"<!doctype": "a web page",
    b"<html": "a web page",
    b"PK\x03\x04": "a ZIP archive",
}
# What ISO 14496-12 calls the major brand.
_BRANDS = {b"avif": "AVIF", b"avis": "AVIF", b"mif1": "HEIF", b"msf1": "HEIF"} | {
    brand: "HEIC" for brand in (b"heic", b"heix", b"heim", b"heis", b"hevc", b"hevx")
}


def why_not_read(head: bytes) -> str:
    """Why a file could not be identified as an image.

    Args:
        head: its first 16 bytes, or all if it has fewer.

    Returns:
        One line that says what it is, as far as that is known, and what to do about it.
    """
    if head.startswith(_TIFF):
        return "broken TIFF, or pixels of a kind that is not read; convert it to 8 or 16 bits"
    return f"not a JPEG, PNG, WebP, BMP or TIFF image{_but(head)}"


def _but(head: bytes) -> str:
    if not head:
        return " but an empty file"
    image = _BRANDS.get(head[8:12], "") if head[4:8] == b"ftyp" else _starting(head, _IMAGES)
    if image:
        return f" but {image}; convert it to PNG or JPEG"
    other = _starting(head, _OTHERS)
    return f" but {other}" if other else ""


def _starting(head: bytes, names: dict[bytes, str]) -> str:
    return next((name for start, name in names.items() if head.startswith(start)), "")
