"""What files are that are not read as images, by their first bytes, so that errors name it."""

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


def foreign_format(head: bytes) -> str:
    """Names what a file is, and what to do about it.

    Args:
        head: its first 16 bytes, or all if it has fewer.

    Returns:
        For the end of an error: " but HEIC; convert it to PNG or JPEG", for example, and "" if it
        is unknown.
    """
    if not head:
        return " but an empty file"
    image = _BRANDS.get(head[8:12], "") if head[4:8] == b"ftyp" else _starting(head, _IMAGES)
    if image:
        return f" but {image}; convert it to PNG or JPEG"
    other = _starting(head, _OTHERS)
    return f" but {other}" if other else ""


def _starting(head: bytes, names: dict[bytes, str]) -> str:
    return next((name for start, name in names.items() if head.startswith(start)), "")
