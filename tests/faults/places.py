"""Where trainings lie whose promises are tried: on a disk, or in a bucket."""

import contextlib
import dataclasses
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Self

import fsspec
from etils import epath

from madf_jax.files import AnyPath, any_path
from tests.buckets.emulator import REFUSED
from tests.buckets.programs import BUCKET, start_emulator


@dataclasses.dataclass(frozen=True)
class Place:
    """One of them.

    Attributes:
        folder: of logs, and whatever else is on a disk.
        compiled: directory of compiled programs, shared by places.
        runs: where working directories are made.
    """

    folder: Path
    compiled: Path
    runs: AnyPath

    def shared(self) -> Self:
        """Beside the compiled programs, for runs that several checks compare theirs with."""
        folder = self.compiled.parent
        return dataclasses.replace(self, folder=folder, runs=folder)


@contextlib.contextmanager
def emulated_bucket(log: Path, port: int) -> Iterator[AnyPath]:
    """A bucket that this process and those it starts find as `gs://BUCKET`."""
    emulator, environment = start_emulator("127.0.0.1", port, log)
    before = dict(os.environ)
    try:
        os.environ.update(environment)
        fsspec.config.set_conf_env(fsspec.config.conf)
        yield any_path(f"gs://{BUCKET}")
    finally:
        emulator.kill()
        os.environ.clear()
        os.environ.update(before)


@contextlib.contextmanager
def refusing(pattern: str, status: int = 403, times: int = 1_000_000) -> Iterator[AnyPath]:
    """Meanwhile the bucket refuses new objects whose names match.

    Yields:
        An object that is gone once it has done so as often as it shall.
    """
    rule = any_path(f"gs://{BUCKET}/{REFUSED}")
    rule.write_text(f"{status} {times} {pattern}")
    try:
        yield rule
    finally:
        rule.unlink(missing_ok=True)


def files_below(directory: AnyPath) -> list[AnyPath]:
    """All files in a directory and in those in it."""
    found: list[AnyPath] = []
    for path in directory.iterdir():
        found += files_below(path) if path.is_dir() else [path]
    return found


def remove(directory: AnyPath) -> None:
    """Removes a directory with all that is in it."""
    epath.Path(directory).rmtree()
