"""Folders for what is being written, beside the place it is moved to when it is whole."""

from __future__ import annotations

import contextlib
import fcntl
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

PREFIX = ".madf-jax-writing-"


@contextlib.contextmanager
def scratch_folder(parent: Path) -> Iterator[Path]:
    """A new folder in `parent`, gone afterwards; those that killed programs left are removed.

    A program that is still writing holds a lock on its folder, which ends with the program.

    Args:
        parent: a directory on the file system of the target, so that a move can't stop half-way.

    Raises:
        OSError: the folder can't be made.
    """
    for left in parent.glob(f"{PREFIX}*"):
        _remove_if_abandoned(left)
    with tempfile.TemporaryDirectory(dir=parent, prefix=PREFIX) as name:
        folder = Path(name)
        with _opened(folder) as descriptor:
            # Without locks here, the folder of a killed program stays.
            with contextlib.suppress(OSError):
                _lock(descriptor)
            yield folder


def _remove_if_abandoned(folder: Path) -> None:
    # It may be in use, of another user, or gone by now.
    with contextlib.suppress(OSError), _opened(folder) as descriptor:
        _lock(descriptor)
        shutil.rmtree(folder)


@contextlib.contextmanager
def _opened(folder: Path) -> Iterator[int]:
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW)
    try:
        yield descriptor
    finally:
        os.close(descriptor)


def _lock(descriptor: int) -> None:
    fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
