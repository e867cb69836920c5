"""The directory of a report, and which files in it may be replaced."""

import json
import os
import re
import stat
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from PIL import Image

from madf_jax.errors import UserError
from madf_jax.evaluation.report import FILES, GRIDS, JSON, to_json
from madf_jax.files import (
    AnyPath,
    in_bucket,
    make_directory,
    system_errors,
    write_text,
    write_whole,
)

_WRITTEN = re.compile(rf"{'|'.join(map(re.escape, FILES))}|{GRIDS}/[0-9]{{4,}}\.png")
_FLAG = "--output"


class ReportDirectory:
    """A directory for one report: `evaluation.json` and its like, and `grids/`.

    `evaluation.json` lists the files of its report. Only files on the list of the report before are
    replaced or removed; everything else is the user's.

    Args:
        path: of the directory.
        grids: how many image grids may be written; an attribute, too.
        inputs: folders that are read, by the flag that names each.

    Raises:
        UserError: the report would lie in an input folder, where the next run would read it; or a
            file that is not on the list is in the way. Nothing was changed.
    """

    def __init__(self, path: AnyPath, grids: int, inputs: Mapping[str, Path]) -> None:
        self._path, self.grids = path, grids
        for flag, folder in inputs.items():
            _require_outside(path, folder, flag)
        with system_errors(path, _FLAG):
            self._before = _listed(path)
            self._require_free([*FILES, *map(grid_name, range(grids)), *self._before])

    def make(self) -> None:
        """Makes the directories; raises UserError if that or writing in them is impossible."""
        make_directory(self._path, _FLAG)
        if self.grids:
            make_directory(self._path / GRIDS, _FLAG)

    def write(
        self, report: Mapping[str, Any], texts: Mapping[str, str], grids: Sequence[Image.Image]
    ) -> list[str]:
        """Replaces the report before.

        Args:
            report: what `evaluation.json` holds, but for the list of files.
            texts: of the other files, by name, each in `FILES`.
            grids: images for `grids/0000.png` and so on.

        Returns:
            Names of the files of the report.

        Raises:
            UserError: one can't be written.
        """
        files = [JSON, *texts, *map(grid_name, range(len(grids)))]
        for stale in self._before - set(files):
            with system_errors(self._path / stale, _FLAG):
                (self._path / stale).unlink(missing_ok=True)
        # The list first: what an interruption leaves behind is on it.
        write_text(self._path / JSON, to_json({**report, "files": files}))
        for name, text in texts.items():
            write_text(self._path / name, text)
        for index, image in enumerate(grids):
            write_whole(self._path / grid_name(index), image.save)
        return files

    def _require_free(self, names: Sequence[str]) -> None:
        for name in names:
            is_file = _is_file(self._path / name)
            if is_file is not None and (name not in self._before or not is_file):
                raise UserError(
                    f"{self._path / name}: is in the way, and {JSON} does not list it as written "
                    f"by an evaluation; move it, or name another {_FLAG}"
                )


def grid_name(index: int) -> str:
    """Name of an image grid in the directory of a report."""
    return f"{GRIDS}/{index:04d}.png"


def _require_outside(output: AnyPath, folder: Path, flag: str) -> None:
    if in_bucket(output):
        return  # images are read from disks
    real = Path(os.path.realpath(folder))
    for place in (output, output / GRIDS):
        if Path(os.path.realpath(place)).is_relative_to(real):
            raise UserError(
                f"{_FLAG}={output}: is inside {flag}={folder}, and its images would be read as "
                f"inputs; name another {_FLAG}"
            )


def _is_file(path: AnyPath) -> bool | None:
    """Whether there is a regular file, not a link to one; None if there is nothing."""
    try:
        if in_bucket(path):
            return path.is_file() if path.exists() else None
        return stat.S_ISREG(path.lstat().st_mode)
    except (FileNotFoundError, NotADirectoryError):
        return None


def _listed(directory: AnyPath) -> set[str]:
    """The files of the report in a directory, by its own list."""
    path = directory / JSON
    if not _is_file(path):
        return set()
    try:
        files = json.loads(path.read_bytes())["files"]
        return {name for name in files if _WRITTEN.fullmatch(name)}
    except (ValueError, LookupError, TypeError, RecursionError):
        return set()  # not a report
