"""Lists the image and mask files of a folder, and what was left out; opens none of them."""

import collections
import hashlib
import heapq
import os
import re
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path, PurePosixPath
from typing import Literal, NamedTuple

from absl import logging

from madf_jax.data.decoding import EXTENSIONS
from madf_jax.errors import UserError, escape
from madf_jax.files import system_errors

_MASK_STEM = re.compile(r"(?P<image>.+)[_-]mask(?:[_-]?\d+)?", re.IGNORECASE)
_SHOWN = 5


class Listing(NamedTuple):
    """The image files below a folder.

    Attributes:
        names: relative to the folder, with forward slashes, sorted: the same on every machine.
        left_out: what else the folder contains, with counts and reasons; "" for nothing.
        is_complete: False if a subfolder could not be listed.
    """

    names: list[str]
    left_out: str
    is_complete: bool

    def log(self, text: str, more: Sequence[str] = ()) -> None:
        """Logs one line: `text`, then `more` and the rest of what was left out."""
        level = logging.INFO if self.is_complete else logging.WARNING
        rest = ", ".join([*more, self.left_out] if self.left_out else more)
        logging.log(level, "%s", escape(f"{text}; left out: {rest}" if rest else text))


def list_images(directory: Path, key: str = "") -> Listing:
    """Lists every image file below a folder.

    Hidden files and folders are skipped. Links to folders are followed, but no folder is listed
    twice. Where masks lie beside their images (`cat.png` and `cat_mask.png`), the masks are left
    out.

    Args:
        directory: the folder.
        key: the config key that names it, for messages.

    Raises:
        UserError: the folder is missing, can't be listed, or has no file with one of `EXTENSIONS`.
    """
    return _list(directory, key, "image")


def list_masks(directory: Path, key: str = "") -> Listing:
    """Like `list_images`, but where masks lie beside their images, the images are left out."""
    return _list(directory, key, "mask")


def list_files(directory: Path, key: str = "") -> Listing:
    """Like `list_images`, but takes every image file, whatever the names say."""
    return _list(directory, key, None)


def image_of_mask(stem: str) -> str | None:
    """`cat` for `cat_mask`, `cat-mask` and `cat_mask001`; None for names without such an ending."""
    match = _MASK_STEM.fullmatch(stem)
    return match["image"] if match else None


def stem_of(name: str) -> str:
    """The name without its suffix, but with its folders."""
    return str(PurePosixPath(name).with_suffix(""))


def digest(names: Sequence[str]) -> str:
    """Twelve hexadecimal digits that change with any name or with their order."""
    return hashlib.sha256("\n".join(names).encode(errors="surrogateescape")).hexdigest()[:12]


def summarize(texts: Iterable[str], shown: int = _SHOWN) -> str:
    """The first few texts, and how many more there are."""
    texts = list(texts)
    more = [f"and {len(texts) - shown} more"] if len(texts) > shown else []
    return "; ".join([*texts[:shown], *more])


def _list(directory: Path, key: str, kind: Literal["image", "mask"] | None) -> Listing:
    with system_errors(directory, key):
        os.scandir(directory).close()
    walk = _Walk(directory)
    names, partners = list[str](), 0
    for found in walk:
        beside = _masks_beside_images(found) if kind else set[str]()
        wanted = [name for name in found if (name in beside) == (kind == "mask")]
        names += wanted if beside else found
        partners += len(found) - len(wanted) if beside else 0
    other = "image" if kind == "mask" else "mask"
    left_out = walk.left_out([f"{count_of(partners, other)} of these {kind}s"] if partners else [])
    if not names:
        shown = f"{key}={directory}" if key else f"{directory}"
        raise UserError(
            f"{shown}: no images found; looked in all subfolders for {' '.join(EXTENSIONS)} and "
            f"found {left_out or 'nothing'}"
        )
    return Listing(sorted(names), left_out, not walk.unlisted)


class _Walk:
    """Yields the names of image files folder by folder, and counts everything else.

    Links are followed after all real folders, so a link to a folder never changes the names of the
    files in it. A cycle ends at the first folder that was already listed.
    """

    def __init__(self, directory: Path) -> None:
        self.unlisted: list[str] = []
        self._others: collections.Counter[str] = collections.Counter()
        self._hidden = self._repeated = 0
        self._directory = directory
        self._seen: set[tuple[int, int]] = set()

    def __iter__(self) -> Iterator[list[str]]:
        folders, links = [""], list[str]()  # links: a heap, for a fixed order
        in_links = False
        while folders or links:
            in_links = in_links or not folders
            folder = folders.pop() if folders else heapq.heappop(links)
            try:
                # Real folders are all different, also where a file system has no unique numbers.
                if self._is_new(folder) or not in_links:
                    names, inner, linked = self._scan(folder)
                    folders += inner
                    for link in linked:
                        heapq.heappush(links, link)
                    yield names
                else:
                    self._repeated += 1
            except OSError as error:
                self.unlisted.append(f"{folder}: {error.strerror or error}")

    def left_out(self, others: Sequence[str]) -> str:
        """Describes everything that was not yielded, after `others`."""
        parts = list(others)
        if self._others:
            kinds = [
                f"{n} {suffix or 'without suffix'}" for suffix, n in self._others.most_common()
            ]
            total = self._others.total()
            parts.append(f"{count_of(total, 'file')} of other types ({summarize(kinds)})")
        if self.unlisted:
            shown = summarize(sorted(self.unlisted))
            parts.append(f"{count_of(len(self.unlisted), 'folder')} that can't be listed ({shown})")
        if self._repeated:
            parts.append(f"{count_of(self._repeated, 'link')} to folders listed already")
        if self._hidden:
            parts.append(f"{self._hidden} hidden")
        return ", ".join(parts)

    def _is_new(self, folder: str) -> bool:
        found = os.stat(self._directory / folder)
        identity = (found.st_dev, found.st_ino)
        is_new = identity not in self._seen
        self._seen.add(identity)
        return is_new

    def _scan(self, folder: str) -> tuple[list[str], list[str], list[str]]:
        """Names of image files, of folders and of links to folders in one folder."""
        names, folders, links = list[str](), list[str](), list[str]()
        with os.scandir(self._directory / folder) as entries:
            for entry in entries:
                name = f"{folder}/{entry.name}" if folder else entry.name
                if entry.name.startswith("."):
                    self._hidden += 1
                elif _is_folder(entry):
                    (links if entry.is_symlink() else folders).append(name)
                elif entry.name.lower().endswith(EXTENSIONS):
                    names.append(name)
                else:
                    self._others[PurePosixPath(entry.name).suffix.lower()] += 1
        return names, folders, links


def _is_folder(entry: os.DirEntry[str]) -> bool:
    try:
        return entry.is_dir()
    except OSError:  # a link that can't be followed; reading it as a file says why
        return False


def _masks_beside_images(names: Sequence[str]) -> set[str]:
    """The names in one folder that are masks, if at least one of them lies beside its image."""
    masks = {name: image for name in names if (image := image_of_mask(stem_of(name)))}
    stems = {stem_of(name) for name in names} if masks else set()
    return set() if stems.isdisjoint(masks.values()) else set(masks)


def count_of(number: int, noun: str) -> str:
    """`1 file`, `2 files`."""
    return f"{number} {noun}" if number == 1 else f"{number} {noun}s"
