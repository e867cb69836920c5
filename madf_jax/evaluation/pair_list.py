"""Lists of pairs, `image<TAB>mask` a line, as the PyTorch reference is tested with."""

import os
from pathlib import Path

from madf_jax.errors import UserError
from madf_jax.files import require_regular_file, system_errors

_LARGEST_FILE = 2**28  # bytes


def read_pair_list(path: Path, images: Path, masks: Path) -> list[tuple[str, str]]:
    """Reads the pairs of a list; opens none of its files.

    Args:
        path: of the list: UTF-8, a pair in each line that isn't blank.
        images: folder that names of images are relative to; absolute ones have to be inside.
        masks: likewise.

    Returns:
        Names of image and mask, relative to their folders, with forward slashes; in the list's
        order.

    Raises:
        UserError: the list can't be read, a line is no pair or a name leaves its folder.
    """
    if require_regular_file(path, "--list").st_size > _LARGEST_FILE:
        raise UserError(f"--list={path}: is larger than {_LARGEST_FILE} bytes")
    with system_errors(path, "--list"):
        try:
            lines = path.read_bytes().decode("utf-8-sig").split("\n")
        except UnicodeDecodeError:
            raise UserError(f"--list={path}: is not a text in UTF-8") from None
    pairs = []
    for number, line in enumerate(lines, 1):
        where, columns = f"--list={path}, line {number}", line.rstrip("\r").split("\t")
        if not line.strip():
            continue
        if len(columns) != 2 or not all(map(str.strip, columns)):
            raise UserError(f"{where}: is {line[:80]!r}; use the two names IMAGE<TAB>MASK")
        image, mask = (column.strip() for column in columns)
        pairs.append((_inside(image, images, where), _inside(mask, masks, where)))
    if not pairs:
        raise UserError(f"--list={path}: has no pairs")
    return pairs


def _inside(name: str, root: Path, where: str) -> str:
    whole, base = Path(os.path.abspath(root / name)), Path(os.path.abspath(root))
    if "\0" in name or base not in whole.parents:
        raise UserError(f"{where}: {name} is not inside {root}")
    return whole.relative_to(base).as_posix()
