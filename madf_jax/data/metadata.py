"""Image files without their metadata, for files whose pixels are good and whose metadata is not.

A decoder gives up a whole image for a long comment, a color profile above its limit or a checksum
that fails in either. None of that is needed for pixels.
"""

import struct
import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_EXIF = b"Exif\0\0"
_ADOBE, _SCAN = 0xEE, 0xDA  # JPEG: how colors are stored; what begins the pixels
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD8))


def without_metadata(encoded: bytes) -> bytes | None:
    """A PNG or JPEG without text, color profiles, thumbnails and what else is not pixels.

    What stays is copied, checksums included, so a file whose pixels are damaged stays damaged.
    EXIF stays, for its orientation: decoders read it when asked to.

    Args:
        encoded: the whole file, untrusted.

    Returns:
        The smaller file, or None for another format.
    """
    if encoded.startswith(_PNG):
        return _bare_png(encoded)
    if encoded.startswith(_JPEG):
        return _bare_jpeg(encoded)
    return None


def _bare_png(encoded: bytes) -> bytes:
    """Critical chunks have an upper-case first letter; transparency is the one that is not."""
    kept, at = [_PNG], len(_PNG)
    while at + 8 <= len(encoded):
        length, kind = struct.unpack_from(">I4s", encoded, at)
        chunk = encoded[at : at + 12 + length]
        if kind[:1].isupper() or kind == b"tRNS" or (kind == b"eXIf" and _is_intact(chunk)):
            kept.append(chunk)
        at += 12 + length
    return b"".join(kept)


def _is_intact(chunk: bytes) -> bool:
    return chunk[-4:] == struct.pack(">I", zlib.crc32(chunk[4:-4]))


def _bare_jpeg(encoded: bytes) -> bytes:
    """Segments up to the first scan, without those of applications and comments."""
    kept, at = [_JPEG], len(_JPEG)
    while at + 4 <= len(encoded) and encoded[at] == 0xFF:
        marker = encoded[at + 1]
        if marker == 0xFF or marker in _WITHOUT_LENGTH:  # padding
            at += 1 if marker == 0xFF else 2
            continue
        if marker == _SCAN:
            break
        segment = encoded[at : at + 2 + int.from_bytes(encoded[at + 2 : at + 4])]
        is_metadata = 0xE0 <= marker <= 0xEF or marker == 0xFE
        if not is_metadata or marker == _ADOBE or segment[4:].startswith(_EXIF):
            kept.append(segment)
        at += max(2, len(segment))
    return b"".join([*kept, encoded[at:]])
