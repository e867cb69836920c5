"""Images of a prepared TensorFlow Datasets set, read without TensorFlow: uint8 (H, W, 3) RGB."""

import io
import os
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
            raise UserError(f"{self.name(index)}: can't be read: {_first_line(error)}") from error
        return read_image(io.BytesIO(encoded), self.name(index))

    def name(self, index: int) -> str:
        """Data set, split and record."""
        return f"{self.dataset}, {self.split}, record {index}"

    def __repr__(self) -> str:
        return f"TfdsSource({self.dataset!r}, {self.split!r}, images={len(self)})"


def _open_tfds(name: str, split: str, data_dir: str) -> Sequence[dict[str, Any]]:
    try:
        import tensorflow_datasets as tfds
    except ImportError as error:
        raise UserError(
            "data.source = 'tfds' needs: pip install tensorflow-datasets array_record"
        ) from error
    where = str(local_path(data_dir or tfds.core.constants.DATA_DIR, "data.tfds_dir"))
    with system_errors(where, "data.tfds_dir"):
        if Path(where).exists():
            os.scandir(where).close()  # TFDS takes a folder that it can't list as an empty one
    try:
        builder = tfds.builder(name, data_dir=where)
    except Exception as error:  # name, version, a missing package, a damaged description
        raise UserError(f"data.tfds_name = {name!r} in {where}: {_first_line(error)}") from error
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
        raise UserError(f"{name} has no split {split!r}: {_first_line(error)}") from error


def _first_line(error: Exception) -> str:
    return (str(error) or repr(error)).splitlines()[0]


def _steps(name: str, where: str) -> str:
    manual = (
        f" (celeb_a_hq first needs its archives, made by hand, in {where}/downloads/manual)"
        if name.startswith("celeb_a_hq")
        else ""
    )
    return (
        "prepare it once: pip install tensorflow-cpu importlib_resources, then python -c "
        f"\"import tensorflow_datasets as t; t.builder('{name}', data_dir='{where}', "
        f"file_format='array_record').download_and_prepare()\"{manual}"
    )
