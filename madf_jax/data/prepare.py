"""Downloading and preparing a data set of TensorFlow Datasets: once, the only step with TensorFlow.

Written as array_record files, which `TfdsSource` reads without TensorFlow.
"""

import importlib.util
from pathlib import Path
from typing import Any

from madf_jax.data.tfds_source import first_line, open_builder
from madf_jax.errors import UserError
from madf_jax.files import make_directory

_PACKAGES = ("tensorflow", "importlib_resources")


def prepare(name: str, data_dir: str = "") -> str:
    """Downloads a data set and writes it as array_record files.

    Args:
        name: of TensorFlow Datasets, such as places365_small, celeb_a or celeb_a_hq/512.
        data_dir: where it is written; '' is TFDS's own default.

    Returns:
        The directory that was written, or held it already.

    Raises:
        UserError: no such set, a package or an archive is missing, or preparing fails; the message
            says what to do.
    """
    builder, where = open_builder(name, data_dir, "--data-dir")
    if builder.is_prepared():
        _require_random_access(builder)
        return str(builder.data_path)
    _require_packages(name)
    _require_archive(builder, Path(where))
    make_directory(Path(where), "--data-dir")
    builder, _ = open_builder(name, where, "--data-dir", "array_record")
    try:
        builder.download_and_prepare()
    except Exception as error:  # a download, an archive, a full disk
        raise UserError(f"{name} can't be prepared in {where}: {first_line(error)}") from error
    return str(builder.data_path)


def _require_random_access(builder: Any) -> None:
    form = builder.info.file_format.value
    if form != "array_record":
        raise UserError(
            f"{builder.data_path}: is prepared as {form}, which has no random access; remove it or "
            "choose another --data-dir"
        )


def _require_packages(name: str) -> None:
    if missing := [one for one in _PACKAGES if importlib.util.find_spec(one) is None]:
        raise UserError(
            f"preparing {name} needs {' and '.join(missing)} (reading it doesn't): pip install "
            "tensorflow-cpu importlib_resources, the extra [prepare], then the same command again"
        )


def _require_archive(builder: Any, where: Path) -> None:
    """Before anything is downloaded or written: celeb_a_hq can't be downloaded."""
    if builder.name != "celeb_a_hq":
        return
    archive = where / "downloads" / "manual" / builder.builder_config.file_name
    if not archive.is_file():
        raise UserError(
            f"{archive}: is missing. celeb_a_hq can't be downloaded: make its images of CelebA's "
            "as https://github.com/tkarras/progressive_growing_of_gans describes ('Preparing "
            "datasets for training'), put them as PNG files into a tar archive of this name, then "
            "the same command again. Any folder of these images can be read instead: "
            "data.source='folder'"
        )
