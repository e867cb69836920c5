"""The file of an exported program: what `jax.export` writes, and what this package knows of it.

`jax.export.deserialize` reads the file as it is: a flatbuffer is read from its beginning, and what
follows is not looked at. There, facts stand as JSON, then the length of that, the SHA-256 of
everything before, and `_MAGIC`. So a file that is cut short, damaged, or not of this package is
found before anything in it is parsed.
"""

import hashlib
import json
import struct
from collections.abc import Mapping
from typing import Any

from madf_jax.errors import UserError

SUFFIX = ".stablehlo"

_MAGIC = b"madf_jax"
_END = struct.Struct("<Q32s8s")
_LONGEST = 2**20  # bytes of facts


def pack(program: bytes, facts: Mapping[str, Any]) -> bytes:
    """The content of a file.

    Args:
        program: as `jax.export` serializes it.
        facts: that JSON can hold.
    """
    text = json.dumps(facts).encode()
    content = bytes(program) + text
    return content + _END.pack(len(text), hashlib.sha256(content).digest(), _MAGIC)


def unpack(data: bytes) -> tuple[bytes, dict[str, Any]]:
    """The program and the facts of a file.

    Raises:
        UserError: it is cut short, damaged, or not of this package.
    """
    if len(data) < _END.size:
        raise UserError("is no whole export of madf_jax")
    length, digest, magic = _END.unpack(data[-_END.size :])
    content = data[: -_END.size]
    if magic != _MAGIC or length > min(len(content), _LONGEST):
        raise UserError("is no whole export of madf_jax: cut short, or written by something else")
    if hashlib.sha256(content).digest() != digest:
        raise UserError("is damaged: its content has another SHA-256 than it says")
    return content[: len(content) - length], _parse(content[len(content) - length :])


def _parse(text: bytes) -> dict[str, Any]:
    try:
        facts = json.loads(text)
    except (ValueError, RecursionError):
        facts = None
    if not isinstance(facts, dict):
        raise UserError("its description is no JSON object")
    return facts
