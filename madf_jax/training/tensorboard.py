"""Scalars and images for TensorBoard, written by process 0."""

import contextlib
import io
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

import jax
import numpy as np
from absl import logging
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from madf_jax.errors import UserError
from madf_jax.files import AnyPath, in_bucket, system_errors

_FLUSH = 30.0  # seconds


class TensorBoardWriter:
    """Writes an event file into a directory; in the other processes, nothing.

    Nothing can be appended to an object of a bucket: there the file is written on this machine, and
    copied whole from time to time.

    Raises:
        UserError: the file can't be written, maybe only noticed by a later call.
    """

    def __init__(self, directory: AnyPath) -> None:
        """Opens a new file in `directory`."""
        self._directory = directory
        self._writer = None
        self._resources = contextlib.ExitStack()
        self._copied = time.monotonic()
        if jax.process_index() == 0:
            self._local = directory
            if in_bucket(directory):
                self._local = Path(self._resources.enter_context(tempfile.TemporaryDirectory()))
            with self._write_errors():
                self._writer = EventFileWriter(str(self._local), flush_secs=_FLUSH)

    def write_scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes values by tag."""
        self._write(step, [Summary.Value(tag=k, simple_value=v) for k, v in values.items()])

    def write_image(self, step: int, tag: str, image: np.ndarray) -> None:
        """Writes an image (H, W, 3), uint8."""
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "png")
        height, width, channels = image.shape
        value = Summary.Image(
            height=height,
            width=width,
            colorspace=channels,
            encoded_image_string=encoded.getvalue(),
        )
        self._write(step, [Summary.Value(tag=tag, image=value)])

    def close(self) -> None:
        """Flushes and closes the file; a failure is only logged, since the run is complete."""
        if self._writer is not None:
            try:
                with self._write_errors():
                    self._writer.close()
                    self._copy()
            except UserError as error:
                logging.error("%s", error)
        self._resources.close()

    def _write(self, step: int, values: list[Summary.Value]) -> None:
        if self._writer is not None:
            event = Event(step=step, wall_time=time.time(), summary=Summary(value=values))
            with self._write_errors():
                self._writer.add_event(event)
                if time.monotonic() - self._copied > _FLUSH:
                    self._copy()

    def _copy(self) -> None:
        """To the bucket, if the directory is there."""
        self._copied = time.monotonic()
        if in_bucket(self._directory):
            for file in Path(self._local).iterdir():
                (self._directory / file.name).write_bytes(file.read_bytes())

    @contextlib.contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            with system_errors(self._directory):
                yield
        except UserError as error:  # of the thread that writes: a full disk, say
            raise UserError(f"can't write for TensorBoard: {error}") from None
