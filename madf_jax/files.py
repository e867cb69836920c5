"""Paths a user gave, errors of the system in one line, files that appear whole or not at all.

A path is local, a `pathlib.Path`, or in a bucket, an `epath.Path`, which has the same methods. A
bucket has objects and no directories: what has no object in it is not there.
"""

import contextlib
import json
import os
import re
import secrets
import stat
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, TypeAlias

from etils import epath

from madf_jax import buckets
from madf_jax.errors import UserError

AnyPath: TypeAlias = Path | epath.Path

_URL = re.compile(r"[A-Za-z][A-Za-z0-9+.-]*:/")


def local_path(given: str | os.PathLike[str], name: str = "") -> Path:
    """A path as a user gave it, with a leading `~` expanded.

    Args:
        given: by a flag, a key or an argument.
        name: the flag or key, for messages; "" if the path says enough.

    Raises:
        UserError: it is empty, a URL, or no name that a file can have.
    """
    text = os.fspath(given)
    shown = f"{name}={text}" if name else text
    if not text:
        raise UserError(f"{name or 'a path'} is empty; name a file or directory")
    if _URL.match(text):
        raise UserError(f"{shown}: only local paths are supported, not URLs; copy or mount it")
    try:
        if "\0" in text:
            raise UnicodeError
        text.encode()
    except UnicodeError:
        raise UserError(f"{shown}: is not valid UTF-8; rename it") from None
    try:
        return Path(text).expanduser()
    except RuntimeError:
        raise UserError(f"{shown}: there is no such user; write ./~... for a file") from None


def any_path(given: str | os.PathLike[str], name: str = "") -> AnyPath:
    """A path as a user gave it, local or in a bucket of Google Cloud Storage, `gs://BUCKET/...`.

    Args:
        given: by a flag, a key or an argument.
        name: the flag or key, for messages; "" if the path says enough.

    Raises:
        UserError: as `local_path`; or it is another URL, names no bucket, or the extra [gcs] is
            not installed.
    """
    text = os.fspath(given)
    if not _URL.match(text):
        return local_path(given, name)
    buckets.prepare(text, f"{name}={text}" if name else text)
    return epath.Path(text)


def in_bucket(path: AnyPath) -> bool:
    """Whether a path is in a bucket, not on a disk."""
    return not isinstance(path, Path)


def absolute(path: AnyPath) -> AnyPath:
    """The absolute path; every one in a bucket is."""
    return path if in_bucket(path) else path.absolute()


@contextlib.contextmanager
def local_copy(path: AnyPath) -> Iterator[Path]:
    """A local path with the content of a file: the file itself, or a copy of an object of a bucket.

    Raises:
        UserError: the object can't be read.
    """
    if not in_bucket(path):
        yield Path(path)
        return
    with tempfile.TemporaryDirectory(prefix="madf-jax-") as folder:
        with system_errors(path):
            epath.Path(path).copy(Path(folder, path.name))
        yield Path(folder, path.name)


@contextlib.contextmanager
def system_errors(path: AnyPath | str, name: str = "") -> Iterator[None]:
    """Turns errors of the system, or of a bucket, into one line with the reason.

    Args:
        path: that is worked on.
        name: the flag or key that names it, for messages.

    Raises:
        UserError: an OSError or a MemoryError was raised inside; or anything, of a bucket.
    """
    shown = f"{name}={path}" if name else f"{path}"
    try:
        yield
    except FileNotFoundError:
        raise UserError(f"{shown}: there is no such file or directory") from None
    except MemoryError:
        raise UserError(f"{shown}: out of memory") from None
    except UserError:
        raise
    except Exception as error:  # gcsfs, its transport and its authentication each have their own
        if not isinstance(path, str) and in_bucket(path):
            raise UserError(f"{shown}: {buckets.explain(error)}") from None
        if isinstance(error, OSError):
            raise UserError(f"{shown}: {error.strerror or error}") from None
        raise


def require_regular_file(path: Path, name: str = "") -> os.stat_result:
    """Whether a path is a file whose bytes can be read to an end.

    Opening a FIFO or a device could wait forever.

    Returns:
        What the system knows of it, its size for example.

    Raises:
        UserError: it is missing, can't be looked at, or is no regular file; the message says which.
    """
    shown = f"{name}={path}" if name else f"{path}"
    with system_errors(path, name):
        found = path.stat()
    if stat.S_ISDIR(found.st_mode):
        raise UserError(f"{shown}: is a directory, not a file")
    if not stat.S_ISREG(found.st_mode):
        raise UserError(f"{shown}: is not a regular file")
    return found


def require_directory(path: Path, name: str = "") -> None:
    """Whether a path is a directory that can be looked at.

    Raises:
        UserError: it is missing, can't be looked at, or is not a directory; the message says which.
    """
    with system_errors(path, name):
        if not stat.S_ISDIR(path.stat().st_mode):
            raise UserError(f"{f'{name}={path}' if name else path}: is not a directory")


def read_json(path: AnyPath, name: str = "", largest: int = 2**24) -> Any:
    """What a JSON file of a user holds.

    Args:
        path: of the file.
        name: the flag or key that names it, for messages.
        largest: bytes that it may have.

    Raises:
        UserError: it can't be read, is larger, or is not JSON; nesting beyond Python's depth counts
            as that.
    """
    refused = f"{name}={path}: is not JSON" if name else f"{path}: is not JSON"
    with system_errors(path, name):
        size = _size(path, name)
        if size > largest:
            raise UserError(f"{refused} that can be read: it has {size} bytes")
        try:
            return json.loads(path.read_bytes())
        except (ValueError, RecursionError) as error:
            raise UserError(f"{refused} that can be read: {error}") from None


def _size(path: AnyPath, name: str) -> int:
    found: Any = path.stat() if in_bucket(path) else require_regular_file(Path(path), name)
    return found.length if in_bucket(path) else found.st_size


def is_directory(path: AnyPath, name: str = "") -> bool:
    """Whether there is a directory, or something below this name of a bucket.

    Args:
        path: to look at.
        name: the flag or key that names it, for messages.

    Raises:
        UserError: it can't be looked at. `path.is_dir()` takes a bucket's refusal for "no".
    """
    with system_errors(path, name):
        if not in_bucket(path):
            return path.is_dir()
        try:
            found: Any = path.stat()
        except FileNotFoundError:
            return False
        return found.is_directory


def make_directory(path: AnyPath, name: str) -> None:
    """Makes a directory with those above it, and finds out whether it can be written to.

    In a bucket there is nothing to make.

    Args:
        path: of the directory.
        name: the flag or key that names it, for messages.

    Raises:
        UserError: it can't be made or written to.
    """
    if in_bucket(path):
        probe = path / f".{secrets.token_hex(8)}.probe"  # hosts may have the same process ids
        with system_errors(path, name):
            try:
                path.mkdir(parents=True, exist_ok=True)
                probe.write_bytes(b"")
            except FileNotFoundError:
                raise UserError(f"{name}={path}: there is no such bucket; make it") from None
            probe.unlink()
        return
    try:
        path.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise UserError(f"{name}={path} can't be made: {error}") from None
    if not os.access(path, os.W_OK | os.X_OK):
        raise UserError(f"{name}={path} can't be written to; change its permissions")


def prepare_target(path: Path, name: str) -> None:
    """Finds out whether `write_whole` can write a file, before the work for it is done.

    Args:
        path: of the file; its directory is made if need be.
        name: the flag that names it, for messages.

    Raises:
        UserError: its directory can't be made or written to, its name is too long, or something
            that is not a regular file is there.
    """
    make_directory(path.parent, f"the directory of {name}")
    with system_errors(path, name):
        _temporary(path).exists()  # whose name is the longer one
        if path.exists() and not path.is_file():
            kind = "a directory" if path.is_dir() else "not a regular file"
            raise UserError(f"{name}={path}: is {kind}; give another name")


def _temporary(path: Path) -> Path:
    return path.with_name(f".{os.getpid()}.{path.name}")


def write_whole(path: AnyPath, write: Callable[[Path], object]) -> None:
    """Writes a file beside its place and moves it there, so that nobody sees half of it.

    An object of a bucket is written to a temporary file first; it appears whole by itself.

    Args:
        path: of the file; its directory is made if need be.
        write: fills the path it is given, whose suffix is that of `path`.

    Raises:
        UserError: it can't be written; what stood there is left as it was.
    """
    if in_bucket(path):
        with tempfile.TemporaryDirectory(prefix="madf-jax-") as folder, system_errors(path):
            write(Path(folder, path.name))
            path.write_bytes(Path(folder, path.name).read_bytes())
        return
    temporary = _temporary(path)
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        write(temporary)
        os.replace(temporary, path)
    except OSError as error:
        raise UserError(f"{path}: cannot be written: {error}") from None
    finally:
        with contextlib.suppress(OSError):  # gone, or never made
            temporary.unlink()


def write_text(path: AnyPath, text: str) -> None:
    """`write_whole` of a text in UTF-8, whatever the locale says."""
    write_whole(path, lambda temporary: temporary.write_text(text, encoding="utf-8"))
