"""Paths with characters that Orbax and TensorStore read as something else."""

import contextlib
import os
import tempfile
from collections.abc import Iterator
from pathlib import Path

# Orbax joins patterns to a checkpoint's path and looks for what matches the whole; TensorStore
# takes a backslash for a slash.
_MISREAD = frozenset("[]*?\\")


@contextlib.contextmanager
def plain_path(path: Path) -> Iterator[Path]:
    r"""A path by which Orbax finds a directory, whatever its name holds.

    Args:
        path: of a directory, or where one will be made.

    Yields:
        The absolute path itself; or, if a name in it holds one of `[ ] * ? \`, the way through a
        link to it in a temporary directory, which is gone at the end.
    """
    path = path.absolute()
    if _MISREAD.isdisjoint(os.fspath(path)):
        yield path
        return
    with tempfile.TemporaryDirectory(prefix="madf-jax-") as folder:
        link = Path(folder, "link")
        link.symlink_to(path)
        yield link
