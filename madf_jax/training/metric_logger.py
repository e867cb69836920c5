"""Averages of what steps return, for TensorBoard and in one line of the log."""

import datetime
import time
from typing import Any

import jax
import numpy as np
import optax
from absl import logging

from madf_jax.config.options import TrainingOptions
from madf_jax.errors import UserError
from madf_jax.memory import peak_resident
from madf_jax.state.optimizer import OptimizerOptions, last_update_norm, make_schedule
from madf_jax.state.train_state import TrainState
from madf_jax.training.feed import Feed
from madf_jax.training.step import Metrics
from madf_jax.training.tensorboard import TensorBoardWriter

_HEARTBEAT_SECONDS = 20.0


class MetricLogger:
    """Collects the metrics of steps and logs their means, a step late."""

    def __init__(
        self,
        options: TrainingOptions,
        optimizer: OptimizerOptions,
        writer: TensorBoardWriter,
        feed: Feed,
    ) -> None:
        """Logs as `options` say; `optimizer` is the run's, `feed` knows who waited for data."""
        self._options = options
        self._schedule = make_schedule(optimizer, options.steps)
        self._norms = _make_norms(optimizer, options.steps)
        self._writer = writer
        self._feed, self._waited = feed, feed.waited
        self._since = self._beat = time.monotonic()
        self._metrics: list[Metrics] = []
        self._due: tuple[int, Any] | None = None
        self._logged: dict[str, float] = {}
        self._checkpoint_seconds = 0.0

    def after(self, step: int, state: TrainState, metrics: Metrics) -> None:
        """Takes what a step returned, and logs what the steps before it returned, if due.

        Raises:
            UserError: too many steps in a row were skipped.
        """
        if self._metrics:
            # Of the step before this one: the devices have work while the host waits, and the host
            # is never more than a step ahead.
            jax.block_until_ready(self._metrics[-1])
        if self._due is not None:
            self._log()
        self._metrics.append(metrics)
        if step % self._options.log_every == 0 or step == self._options.steps:
            self._due = (step, self._norms(state))
        if time.monotonic() - self._beat > _HEARTBEAT_SECONDS:
            self._heartbeat(step - 1)

    def flush(self, step: int, state: TrainState) -> None:
        """Logs all that is known so far; waits for the devices. Errors as in `after`."""
        if self._metrics:
            self._due = self._due or (step, self._norms(state))
            self._log()

    def add_checkpoint_seconds(self, seconds: float) -> None:
        """Counts the time for which a checkpoint held up the loop."""
        self._checkpoint_seconds += seconds

    def _log(self) -> None:
        step, norms = self._due or (0, {})
        self._due = None
        seen: list[dict[str, Any]] = jax.device_get(self._metrics)
        norms = jax.device_get(norms)
        now = time.monotonic()
        passed = now - self._since
        self._logged = {
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
        self._writer.write_scalars(step, self._logged)
        self._heartbeat(step)
        in_row = int(max(metrics["skipped_in_row"] for metrics in seen))
        if in_row >= self._options.max_skipped_in_row:
            raise UserError(
                f"the gradients of {in_row} steps in a row up to step {step} were not finite "
                f"(training.max_skipped_in_row={self._options.max_skipped_in_row}); those steps "
                "changed nothing. Lower optimizer.learning_rate or set optimizer.clip_norm, with "
                "training.changed_config=accept, and start again: the run resumes from its last "
                "checkpoint"
            )

    def _heartbeat(self, step: int) -> None:
        self._beat, logged, steps = time.monotonic(), self._logged, self._options.steps
        if not logged:
            logging.info("heartbeat: step %d of %d", step, steps)
            return
        rate = logged["images_per_second"] / self._options.batch_size
        left = datetime.timedelta(seconds=round((steps - step) / rate))
        logging.info(
            "heartbeat: step %d of %d, loss %.4g, %.3g images/s, %.0f %% waiting for data, "
            "%.1f GB at most, %d skipped, %s left",
            *(step, steps, logged["loss"], logged["images_per_second"]),
            *(100 * logged["data_wait_share"], logged["peak_memory_gb"], logged["skipped"], left),
        )


def _means(seen: list[dict[str, Any]]) -> dict[str, float]:
    """Over the steps that were not skipped; NaN if all were."""
    taken = [m for m in seen if m["skipped_in_row"] == 0]
    names = [name for name in seen[0] if name != "skipped_in_row"]
    return {name: float(np.mean([m[name] for m in taken])) if taken else np.nan for name in names}


def _make_norms(optimizer: OptimizerOptions, steps: int) -> Any:
    """Compiles norms of the state that only matter when they are logged."""

    @jax.jit
    def norms(state: TrainState) -> dict[str, jax.Array]:
        found = {
            "update_norm": last_update_norm(state.opt_state, optimizer, steps),
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
