"""What is told while a run goes on: scalars for TensorBoard, a heartbeat line, a profile."""

import contextlib
import datetime
import io
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import jax
import numpy as np
import optax
from absl import logging
from PIL import Image
from tensorboard.compat.proto.event_pb2 import Event
from tensorboard.compat.proto.summary_pb2 import Summary
from tensorboard.summary.writer.event_file_writer import EventFileWriter

from madf_jax.config.sections import Setup
from madf_jax.errors import UserError
from madf_jax.memory import peak_resident
from madf_jax.state.optimizer import last_update_norm, make_schedule
from madf_jax.state.train_state import TrainState
from madf_jax.training.feed import Feed
from madf_jax.training.step import Metrics

_HEARTBEAT_SECONDS = 20.0


class Watch:
    """Collects the metrics of steps and tells their means, a step late.

    Only process 0 writes for TensorBoard.
    """

    def __init__(self, setup: Setup, workdir: Path, feed: Feed) -> None:
        """Opens TensorBoard's file in `workdir`."""
        self._options, self._workdir = setup.training, workdir
        self._schedule = make_schedule(setup.optimizer, setup.training.steps)
        self._norms = _make_norms(setup)
        self._feed, self._waited = feed, feed.waited
        self._since = self._beat = time.monotonic()
        self._metrics: list[Metrics] = []
        self._due: tuple[int, Any] | None = None
        self._told: dict[str, float] = {}
        self._checkpoint_seconds = 0.0
        self._writer = None
        if jax.process_index() == 0:
            with self._writing():
                self._writer = EventFileWriter(str(workdir), flush_secs=30)

    def after(self, step: int, state: TrainState, metrics: Metrics) -> None:
        """Takes what a step gave, and tells what the steps before it gave, if that is due.

        Raises:
            UserError: too many steps in a row were skipped.
        """
        if self._metrics:
            # Of the step before this one: the devices have work while the host waits, and the host
            # is never more than a step ahead.
            jax.block_until_ready(self._metrics[-1])
        if self._due is not None:
            self._tell()
        self._metrics.append(metrics)
        if step % self._options.log_every == 0 or step == self._options.steps:
            self._due = (step, self._norms(state))
        if time.monotonic() - self._beat > _HEARTBEAT_SECONDS:
            self._heartbeat(step - 1)

    def flush(self, step: int, state: TrainState) -> None:
        """Tells all that is known so far; waits for the devices. Errors as in `after`."""
        if self._metrics:
            self._due = self._due or (step, self._norms(state))
            self._tell()

    def write_scalars(self, step: int, values: dict[str, float]) -> None:
        """Writes values for TensorBoard."""
        self._write(step, [Summary.Value(tag=k, simple_value=v) for k, v in values.items()])

    def write_image(self, step: int, name: str, image: np.ndarray) -> None:
        """Writes an image (H, W, 3), uint8, for TensorBoard."""
        encoded = io.BytesIO()
        Image.fromarray(image).save(encoded, "png")
        height, width, channels = image.shape
        image = Summary.Image(
            height=height,
            width=width,
            colorspace=channels,
            encoded_image_string=encoded.getvalue(),
        )
        self._write(step, [Summary.Value(tag=name, image=image)])

    def _write(self, step: int, values: list[Summary.Value]) -> None:
        if self._writer is not None:
            event = Event(step=step, wall_time=time.time(), summary=Summary(value=values))
            with self._writing():
                self._writer.add_event(event)

    def close(self) -> None:
        """Writes what is still held back; only logs if that fails, for the run itself is whole."""
        if self._writer is not None:
            try:
                with self._writing():
                    self._writer.close()
            except UserError as error:
                logging.error("%s", error)

    @contextlib.contextmanager
    def _writing(self) -> Iterator[None]:
        try:
            yield
        except OSError as error:  # of the thread that writes: a full disk, say
            raise UserError(f"{self._workdir}: can't write for TensorBoard: {error}") from None

    def saved(self, seconds: float) -> None:
        """Notes for how long a checkpoint held up the loop."""
        self._checkpoint_seconds += seconds

    def _tell(self) -> None:
        step, norms = self._due or (0, {})
        self._due = None
        seen: list[dict[str, Any]] = jax.device_get(self._metrics)
        norms = jax.device_get(norms)
        now = time.monotonic()
        passed = now - self._since
        self._told = {
            **_means(seen),
            **{name: float(value) for name, value in norms.items()},
            # The optimizer counts the steps that it took.
            "learning_rate": float(self._schedule(step - 1 - int(norms["skipped"]))),
            "images_per_second": len(seen) * self._options.batch_size / passed,
            "data_wait_share": (self._feed.waited - self._waited) / passed,
            "checkpoint_seconds": self._checkpoint_seconds,
            "peak_memory_gb": peak_memory() / 1e9,
        }
        self._since, self._waited, self._metrics = now, self._feed.waited, []
        self._checkpoint_seconds = 0.0
        self.write_scalars(step, self._told)
        self._heartbeat(step)
        in_row = int(max(metrics["skipped_in_row"] for metrics in seen))
        if in_row >= self._options.max_skipped_in_row:
            raise UserError(
                f"the gradients of {in_row} steps in a row up to step {step} were not finite "
                f"(training.max_skipped_in_row={self._options.max_skipped_in_row}); those steps "
                "changed nothing. Lower optimizer.learning_rate or set optimizer.clip_norm, with "
                "training.changed_config=accept, and start again: the run goes on from its last "
                "checkpoint"
            )

    def _heartbeat(self, step: int) -> None:
        self._beat, told, steps = time.monotonic(), self._told, self._options.steps
        if not told:
            logging.info("heartbeat: step %d of %d", step, steps)
            return
        rate = told["images_per_second"] / self._options.batch_size
        left = datetime.timedelta(seconds=round((steps - step) / rate))
        logging.info(
            "heartbeat: step %d of %d, loss %.4g, %.3g images/s, %.0f %% waiting for data, "
            "%.1f GB at most, %d skipped, %s left",
            *(step, steps, told["loss"], told["images_per_second"]),
            *(100 * told["data_wait_share"], told["peak_memory_gb"], told["skipped"], left),
        )


def _means(seen: list[dict[str, Any]]) -> dict[str, float]:
    """Over the steps that were not skipped; NaN if all were."""
    taken = [m for m in seen if m["skipped_in_row"] == 0]
    names = [name for name in seen[0] if name != "skipped_in_row"]
    return {name: float(np.mean([m[name] for m in taken])) if taken else np.nan for name in names}


def _make_norms(setup: Setup) -> Any:
    """Compiles norms of the state that only matter when they are told."""

    @jax.jit
    def norms(state: TrainState) -> dict[str, jax.Array]:
        found = {
            "update_norm": last_update_norm(state.opt_state, setup.optimizer, setup.training.steps),
            "skipped": state.skipped,
        }
        if state.ema is not None:
            found["ema_distance"] = optax.tree.norm(optax.tree.sub(state.ema, state.params))
        return found

    return norms


def peak_memory() -> int:
    """Bytes in use at most so far: of the first local device, or of this process on a CPU."""
    stats = jax.local_devices()[0].memory_stats()
    if stats and "peak_bytes_in_use" in stats:
        return stats["peak_bytes_in_use"]
    return peak_resident()


class Profile:
    """A profiler's trace of some steps, where TensorBoard and xprof find it: `plugins/profile`."""

    def __init__(self, steps: tuple[int, ...], workdir: Path) -> None:
        """Makes ready to trace from the first to the last of two steps; empty traces nothing."""
        self._first, self._last = steps or (0, 0)
        self._workdir, self._running = workdir, False

    def before(self, step: int) -> None:
        """Starts at the first step, or at a later one that a resumed run begins with."""
        if self._first <= step <= self._last and not self._running:
            jax.profiler.start_trace(str(self._workdir))
            self._running = True

    def after(self, step: int, metrics: Metrics) -> None:
        """Ends after the last step."""
        if self._running and step == self._last:
            jax.block_until_ready(metrics)
            self.close()
            logging.info(
                "The trace of steps %d to %d is in %s/plugins/profile",
                self._first,
                self._last,
                self._workdir,
            )

    def close(self) -> None:
        """Ends a trace that still runs."""
        if self._running:
            jax.profiler.stop_trace()
            self._running = False
