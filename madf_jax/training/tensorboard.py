"""Scalars and images for TensorBoard, written by process 0."""

import contextlib
import io
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


class TensorBoardWriter:
    """Writes an event file into a directory; in the other processes, nothing.

    Raises:
        UserError: the file can't be written, maybe only noticed by a later call.
    """

    def __init__(self, directory: Path) -> None:
        """Opens a new file in `directory`."""
        self._directory = directory
        self._writer = None
        if jax.process_index() == 0:
            with self._write_errors():
                self._writer = EventFileWriter(str(directory), flush_secs=30)

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
            except UserError as error:
                logging.error("%s", error)

    def _write(self, step: int, values: list[Summary.Value]) -> None:
        if self._writer is not None:
            event = Event(step=step, wall_time=time.time(), summary=Summary(value=values))
            with self._write_errors():
                self._writer.add_event(event)

    @contextlib.contextmanager
    def _write_errors(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # of the thread that writes: a full disk, say
            raise UserError(f"{self._directory}: can't write for TensorBoard: {error}") from None
