"""The formats of image files, by suffix."""

from pathlib import Path

from madf_jax.errors import UserError

FORMATS = {
    ".png": "PNG",
    ".jpg": "JPEG",
    ".jpeg": "JPEG",
    ".jfif": "JPEG",
    ".webp": "WEBP",
    ".tif": "TIFF",
    ".tiff": "TIFF",
    ".bmp": "BMP",
}


def format_of(path: Path) -> str:
    """The format that a file's suffix names.

    Raises:
        UserError: none that can be written.
    """
    if found := FORMATS.get(path.suffix.lower()):
        return found
    what = f"the suffix {path.suffix}" if path.suffix else "a name without suffix"
    raise UserError(f"{path}: {what} names no format to write; use one of {', '.join(FORMATS)}")
