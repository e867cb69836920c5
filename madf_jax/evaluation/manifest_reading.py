"""Reading a manifest, which may be anybody's: everything in it is checked first."""

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from madf_jax.data.generators import GENERATORS
from madf_jax.errors import UserError
from madf_jax.evaluation.buckets import bucket_name
from madf_jax.evaluation.manifest import (
    CROPS,
    FORMAT,
    LARGEST,
    SEEDS,
    SMALLEST,
    VERSION,
    Entry,
    Manifest,
    sha256_of,
)
from madf_jax.files import local_path, require_regular_file, system_errors
from madf_jax.options import Option

_LARGEST_FILE = 2**28  # bytes; a million examples have more than enough room
_LONGEST_NAME = 4096
_SHA256 = re.compile("[0-9a-f]{64}")


def _rule(kind: type, **rules: Any) -> Option:
    return Option("", None, kind, **rules)


_HEADER = {
    "images": _rule(str),
    "masks": _rule(str),
    "hole": _rule(str, choices=("black", "white")),
    "size": _rule(int, minimum=SMALLEST, maximum=LARGEST),
    "crop": _rule(str, choices=CROPS),
    "seed": _rule(int, minimum=0, maximum=2**32 - 1),
    "generator": _rule(str, choices=("", *GENERATORS)),
    "count": _rule(int, minimum=1),
}
_ROW = {
    "id": _rule(str),
    "image": _rule(str),
    "mask": _rule(str),
    "share": _rule(float, minimum=0, maximum=1),
    "bucket": _rule(str),
    "seed": _rule(int, minimum=0, maximum=SEEDS - 1),
    "image_sha256": _rule(str),
    "mask_sha256": _rule(str),
}


def read_manifest(
    path: Path, name: str = "", images: Path | None = None, masks: Path | None = None
) -> Manifest:
    """Reads and checks a manifest, not the files that it names.

    Args:
        path: of the manifest.
        name: the flag that names it, for messages.
        images: root of the image files, in place of the one that the manifest names.
        masks: root of the mask files, likewise.

    Raises:
        UserError: it can't be read or is no manifest; the message has the line and what is wrong.
    """
    shown = f"{name}={path}" if name else f"{path}"
    header, *rows = _read_lines(path, name, shown)
    if header.get("format") != FORMAT:
        raise UserError(f"{shown}: is not a manifest; `madf-jax manifest` makes one")
    if header.get("version") != VERSION:
        raise UserError(f"{shown}: is of version {header.get('version')!r}; {VERSION} can be read")
    fields = _conforming(f"{shown}, line 1", header, _HEADER)
    entries = tuple(_entry(f"{shown}, line {i}", row) for i, row in enumerate(rows, 2))
    _require_whole(shown, entries, fields.pop("count"))
    for key, root in (("images", images), ("masks", masks)):
        fields[key] = root or path.parent / local_path(fields[key], f"{shown}, line 1: {key}")
    return Manifest(**fields, entries=entries, sha256=sha256_of(path))


def is_inner_name(name: Any) -> bool:
    """Whether a value is a path that stays below the directory it is relative to."""
    if not isinstance(name, str) or not 0 < len(name) <= _LONGEST_NAME or "\0" in name:
        return False
    return not {"", ".", ".."} & set(name.split("/"))


def _entry(place: str, row: Mapping[str, Any]) -> Entry:
    entry = Entry(**_conforming(place, row, _ROW))
    for key in ("id", "image", "mask"):
        if not is_inner_name(value := getattr(entry, key)):
            raise UserError(
                f"{place}: {key} is {value[:_LONGEST_NAME]!r}; use a path with forward slashes "
                "that stays below its root"
            )
    for key in ("image_sha256", "mask_sha256"):
        if not _SHA256.fullmatch(getattr(entry, key)):
            raise UserError(f"{place}: {key} is not made of 64 hexadecimal digits")
    if entry.bucket != (bucket := bucket_name(entry.share)):
        raise UserError(f"{place}: bucket is {entry.bucket!r}; the share is in {bucket}")
    return entry


def _conforming(
    place: str, given: Mapping[str, Any], rules: Mapping[str, Option]
) -> dict[str, Any]:
    if missing := sorted(rules.keys() - given.keys()):
        raise UserError(f"{place}: {missing[0]} is missing")
    return {key: rule.conform(f"{place}: {key}", given[key]) for key, rule in rules.items()}


def _read_lines(path: Path, name: str, shown: str) -> list[dict[str, Any]]:
    size = require_regular_file(path, name).st_size
    if size > _LARGEST_FILE:
        raise UserError(f"{shown}: has {size} bytes; a manifest has at most {_LARGEST_FILE}")
    with system_errors(path, name):
        lines = path.read_bytes().splitlines()
    if not lines:
        raise UserError(f"{shown}: is empty; `madf-jax manifest` makes a manifest")
    return [_parse(line, f"{shown}, line {number}") for number, line in enumerate(lines, 1)]


def _parse(line: bytes, place: str) -> dict[str, Any]:
    try:
        value = json.loads(line)
    except (ValueError, RecursionError):
        value = None
    if not isinstance(value, dict):
        raise UserError(f"{place}: is not a JSON object; `madf-jax manifest` makes a manifest")
    return value


def _require_whole(shown: str, entries: Sequence[Entry], count: int) -> None:
    if len(entries) != count:
        raise UserError(f"{shown}: has {len(entries)} of the {count} examples that it announces")
    seen = set[str]()
    for entry in entries:
        if entry.id in seen:
            raise UserError(f"{shown}: has two examples with the id {entry.id}")
        seen.add(entry.id)
