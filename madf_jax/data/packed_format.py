"""A packed set: a directory of ArrayRecord files, and two JSON files that describe them.

    packed.json                 format, version, how many images, the names' and the files' hashes
    names.json                  the images' names, in the order of their records
    images-00000.array_record   records; each is one encoded image, such as the bytes of a JPEG file

A set from elsewhere is untrusted: it is read within the limits below, nothing outside of its
directory is opened, and what doesn't fit is refused in one line.
"""

import dataclasses
import hashlib
import json
import re
from pathlib import Path
from typing import Any

from madf_jax.errors import UserError
from madf_jax.files import read_json, require_directory, system_errors, write_text

DESCRIPTION = "packed.json"
NAMES = "names.json"
FORMAT, VERSION = "madf-jax packed", 1
# Images are compressed already. A record is then never larger than its file, also in hostile ones.
WRITER_OPTIONS = ("group_size:1", "uncompressed")
LARGEST_NAMES = 2**28  # bytes of `NAMES`

_FILE = re.compile(r"images-\d{5}\.array_record")
_SHA256 = re.compile(r"[0-9a-f]{64}")


@dataclasses.dataclass(frozen=True)
class PackedFile:
    """One ArrayRecord file.

    Attributes:
        name: of the file, in the set's directory.
        images: number of its records.
        bytes: its size.
        sha256: of the whole file.
    """

    name: str
    images: int
    bytes: int
    sha256: str


@dataclasses.dataclass(frozen=True)
class PackedSet:
    """What `packed.json` says.

    Attributes:
        images: number of images.
        side: pixels that shorter sides were reduced to; 0 if the files were packed as they were.
        names_sha256: of `names.json`.
        files: in the order of the images.
    """

    images: int
    side: int
    names_sha256: str
    files: tuple[PackedFile, ...]

    @property
    def digest(self) -> str:
        """Twelve hexadecimal digits that change with any image or name, or with their order."""
        hashes = [self.names_sha256, *(file.sha256 for file in self.files)]
        return hashlib.sha256(" ".join(hashes).encode()).hexdigest()[:12]


def file_name(number: int) -> str:
    """Name of the ArrayRecord file with a number from 0 on."""
    return f"images-{number:05d}.array_record"


def is_packed_name(name: str) -> bool:
    """Whether a packed set has files of this name."""
    return name in (DESCRIPTION, NAMES) or _FILE.fullmatch(name) is not None


def write_description(directory: Path, packed: PackedSet) -> None:
    """Writes `packed.json`.

    Raises:
        UserError: it can't be written.
    """
    content = {"format": FORMAT, "version": VERSION, **dataclasses.asdict(packed)}
    write_text(directory / DESCRIPTION, json.dumps(content, indent=1) + "\n")


def read_description(directory: Path, key: str = "") -> PackedSet:
    """Reads and checks `packed.json`.

    Args:
        directory: of the set.
        key: the config key that names it, for messages.

    Raises:
        UserError: there is no such set, it is of another version, or a value is not possible.
    """
    require_directory(directory, key)
    path = directory / DESCRIPTION
    if not path.exists():
        shown = f"{key}={directory}" if key else f"{directory}"
        raise UserError(
            f"{shown}: is no packed set, it has no {DESCRIPTION}; make one of a folder of images: "
            "madf-jax pack FOLDER OUT"
        )
    content = read_json(path)
    if not isinstance(content, dict) or content.get("format") != FORMAT:
        raise UserError(f"{path}: does not describe a packed set; make one with: madf-jax pack")
    if content.get("version") != VERSION:
        raise UserError(
            f"{path}: is of version {content.get('version')!r}, and this program reads version "
            f"{VERSION}; pack the images again"
        )
    try:
        return _parse(content)
    except (KeyError, TypeError, ValueError) as error:
        raise UserError(f"{path}: is damaged ({error}); pack the images again") from None


def read_names(directory: Path, packed: PackedSet) -> list[str]:
    """Reads the images' names.

    Raises:
        UserError: they are missing, or not those that `packed` was written with.
    """
    path = directory / NAMES
    names = read_json(path, largest=LARGEST_NAMES)
    with system_errors(path):
        found = hashlib.sha256(path.read_bytes()).hexdigest()
    if found != packed.names_sha256:
        raise UserError(f"{path}: does not belong to {DESCRIPTION}, its hash is another")
    if not isinstance(names, list) or not all(isinstance(name, str) for name in names):
        raise UserError(f"{path}: is not a list of names")
    if len(names) != packed.images or len(set(names)) != packed.images:
        raise UserError(f"{path}: does not have {packed.images} different names")
    return names


def _parse(content: dict[str, Any]) -> PackedSet:
    files = tuple(
        PackedFile(
            _text(file, "name", _FILE),
            _count(file, "images", 1),
            _count(file, "bytes", 1),
            _text(file, "sha256", _SHA256),
        )
        for file in content["files"]
    )
    images = _count(content, "images", 1)
    if images != sum(file.images for file in files):
        raise ValueError("'images' is not the sum over 'files'")
    if len({file.name for file in files}) != len(files):
        raise ValueError("'files' has a name twice")
    return PackedSet(
        images, _count(content, "side", 0), _text(content, "names_sha256", _SHA256), files
    )


def _count(content: dict[str, Any], key: str, least: int) -> int:
    value = content[key]
    if type(value) is not int or not least <= value < 2**53:
        raise ValueError(f"{key!r} is {str(value)[:80]}")
    return value


def _text(content: dict[str, Any], key: str, pattern: re.Pattern[str]) -> str:
    value = content[key]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise ValueError(f"{key!r} is {str(value)[:80]!r}")
    return value
