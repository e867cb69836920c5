"""Paths with characters that Orbax and TensorStore read as something else."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

from madf_jax.errors import UserError
from madf_jax.files import AnyPath, in_bucket

# Orbax joins patterns to a checkpoint's path and looks for what matches the whole; TensorStore
# takes a backslash for a slash.
_MISREAD = frozenset("[]*?\\")


@contextlib.contextmanager
def plain_path(path: AnyPath) -> Iterator[AnyPath]:
    r"""A path by which Orbax finds a directory, whatever its name holds.

    Args:
        path: of a directory, or where one will be made.

    Yields:
        The absolute path itself; or, if a name in it holds one of `[ ] * ? \`, the way through a
        link to it in a temporary directory, which is gone at the end. A bucket has no links.

    Raises:
        UserError: such a name is in a bucket.
    """
    if in_bucket(path):
        if not _MISREAD.isdisjoint(str(path)):
            raise UserError(f"{path}: holds one of {' '.join(sorted(_MISREAD))}; rename it")
        yield path
        return
    path = Path(path).absolute()
    if _MISREAD.isdisjoint(os.fspath(path)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="madf-jax-") as folder:
        link = Path(folder, "link")
        link.symlink_to(path)
        yield link
