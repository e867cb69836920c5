"""Images of a prepared TensorFlow Datasets set, read without TensorFlow: uint8 (H, W, 3) RGB."""

import io
import os
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from madf_jax.data.images import read_image
from madf_jax.errors import UserError
from madf_jax.files import local_path, system_errors


class TfdsSource:
    """A prepared TensorFlow Datasets set with an `image` feature, read without TensorFlow.

    Args:
        dataset: e.g. 'places365_small', 'celeb_a', 'celeb_a_hq/256'.
        split: in TFDS's notation, e.g. 'train' or 'train[:90%]'.
        data_dir: where it was prepared; '' is TFDS's own default.

    Raises:
        UserError: not installed, not prepared as array_record (the message has the steps), no such
            set or split, or no `image` in it.
    """

    def __init__(self, dataset: str, split: str, data_dir: str = "") -> None:
        self.dataset = dataset
        self.split = split
        self._records = _open_tfds(dataset, split, data_dir)

    def __len__(self) -> int:
        return len(self._records)

    def __getitem__(self, index: int) -> np.ndarray:
        """Image `index`, uint8 (H, W, 3) RGB.

        Raises:
            UserError: the record or its image can't be read.
        """
        try:
            encoded = self._records[index]["image"]
        except Exception as error:  # whatever array_record raises for a damaged file
            raise UserError(f"{self.name(index)}: can't be read: {first_line(error)}") from error
        return read_image(io.BytesIO(encoded), self.name(index))

    def name(self, index: int) -> str:
        """Data set, split and record."""
        return f"{self.dataset}, {self.split}, record {index}"

    def __repr__(self) -> str:
        return f"TfdsSource({self.dataset!r}, {self.split!r}, images={len(self)})"


def open_builder(
    name: str, data_dir: str, key: str, file_format: str | None = None
) -> tuple[Any, str]:
    """Finds a data set of TensorFlow Datasets, prepared or not.

    Args:
        name: of the data set.
        data_dir: where it is prepared; '' is TFDS's own default.
        key: the flag or key that names `data_dir`, for messages.
        file_format: that it is to be prepared in; None for reading it.

    Returns:
        Its builder, and the directory.

    Raises:
        UserError: TFDS is not installed, the directory can't be listed, or there is no such set.
    """
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            "data sets of TFDS need: pip install tensorflow-datasets array_record"
        ) from error
    where = str(local_path(data_dir or tfds.core.constants.DATA_DIR, key))
    with system_errors(where, key):
        if Path(where).exists():
            os.scandir(where).close()  # TFDS takes a folder that it can't list as an empty one
    try:
        return tfds.builder(name, data_dir=where, file_format=file_format), where
    except Exception as error:  # name, version, a missing package, a damaged description
        raise UserError(f"the data set {name!r} in {where}: {first_line(error)}") from error


def first_line(error: Exception) -> str:
    """The message of any exception, cut to one line."""
    return (str(error) or repr(error)).strip().splitlines()[0]


def _open_tfds(name: str, split: str, data_dir: str) -> Sequence[dict[str, Any]]:
    import tensorflow_datasets as tfds

    builder, where = open_builder(name, data_dir, "data.tfds_dir")
    if not builder.is_prepared():
        raise UserError(f"{name} is not prepared in {where}; {_steps(name, where)}")
    if "image" not in builder.info.features:
        raise UserError(f"{name} has no feature 'image', only {', '.join(builder.info.features)}")
    try:
        return builder.as_data_source(split, decoders={"image": tfds.decode.SkipDecoding()})
    except NotImplementedError as error:
        form = builder.info.file_format.value
        raise UserError(
            f"{name} in {where} is prepared as {form}, which has no random access; remove it or "
            f"choose another data.tfds_dir, then {_steps(name, where)}"
        ) from error
    except ValueError as error:
        raise UserError(f"{name} has no split {split!r}: {first_line(error)}") from error


def _steps(name: str, where: str) -> str:
    manual = (
        f" (celeb_a_hq first needs its archive, made by hand, in {where}/downloads/manual)"
        if name.startswith("celeb_a_hq")
        else ""
    )
    return (
        "prepare it once: pip install tensorflow-cpu importlib_resources, then "
        f"madf-jax prepare {shlex.quote(name)} --data-dir={shlex.quote(where)}{manual}"
    )
