"""Files that appear whole or not at all."""

import contextlib
import os
from collections.abc import Callable
from pathlib import Path

from madf_jax.errors import UserError


def make_directory(path: Path, name: str) -> None:
    """Makes a directory with those above it, and finds out whether it can be written to.

    Args:
        path: of the directory.
        name: the flag or key that names it, for messages.

    Raises:
        UserError: it can't be made or written to.
    """
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{name}={path} can't be made: {error}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"{name}={path} can't be written to; change its permissions")


def write_whole(path: Path, write: Callable[[Path], object]) -> None:
    """Writes a file beside its place and moves it there, so that nobody sees half of it.

    Args:
        path: of the file; its directory is made if need be.
        write: fills the path it is given, whose suffix is that of `path`.

    Raises:
        UserError: it can't be written; what stood there is left as it was.
    """
    temporary = path.with_name(f".{os.getpid()}.{path.name}")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error}") from None
    finally:
        with contextlib.suppress(OSError):  # gone, or never made
            temporary.unlink()


def write_text(path: Path, text: str) -> None:
    """`write_whole` of a text."""
    write_whole(path, lambda temporary: temporary.write_text(text))
