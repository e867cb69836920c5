"""Strips metadata from image files whose pixels are fine but whose metadata is not.

Decoders reject a whole image because of an overlong comment or color profile, or because of a wrong
checksum in one. Pixels need none of these.
"""

import struct
import zlib

_PNG = b"\x89PNG\r\n\x1a\n"
_JPEG = b"\xff\xd8"
_EXIF = b"Exif\0\0"
_ADOBE, _SCAN = 0xEE, 0xDA  # JPEG markers: how colors are encoded, start of the pixels
_WITHOUT_LENGTH = (0x01, *range(0xD0, 0xD8))


MOST_BYTES = 2**26  # of a file whose metadata is worth stripping


def can_strip(first_bytes: bytes) -> bool:
    """Whether a file that starts like this is of a format that `without_metadata` knows."""
    return first_bytes.startswith((_PNG, _JPEG))


def without_metadata(encoded: bytes) -> bytes:
    """Drops text, color profiles, thumbnails and all else that is not pixels from a PNG or JPEG.

    The rest is copied verbatim, checksums included: a file with damaged pixels stays damaged. EXIF
    data is kept for its orientation, since decoders parse it only on request.

    Args:
        encoded: the whole file, untrusted, of a format that `can_strip` confirms.

    Returns:
        The smaller file.
    """
    return _bare_png(encoded) if encoded.startswith(_PNG) else _bare_jpeg(encoded)


def _bare_png(encoded: bytes) -> bytes:
    """Keeps critical chunks (first letter in upper case), transparency and intact EXIF data."""
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
    """Drops application segments and comments in front of the first scan."""
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
