"""What happens between steps beside logging: image grids, validations, checkpoints."""

import time
from typing import Any

import jax
from absl import logging

from madf_jax.checkpoints.manager import METRIC, Checkpoints
from madf_jax.config.options import TrainingOptions
from madf_jax.evaluation.validation import Validation
from madf_jax.state.train_state import TrainState
from madf_jax.training.metric_logger import MetricLogger
from madf_jax.training.step import Metrics
from madf_jax.training.tensorboard import TensorBoardWriter


class PeriodicActions:
    """Does them as often as a run asks for."""

    def __init__(
        self,
        options: TrainingOptions,
        logger: MetricLogger,
        writer: TensorBoardWriter,
        validation: Validation,
        checkpoints: Checkpoints,
        notes: dict[str, Any],
    ) -> None:
        """Intervals are those of `options`; `notes` are kept beside each checkpoint."""
        self._options, self._logger, self._writer = options, logger, writer
        self._validation, self._checkpoints, self._notes = validation, checkpoints, notes

    def after(self, step: int, state: TrainState, metrics: Metrics) -> None:
        """Does what is due after a step."""
        options = self._options
        self._logger.after(step, state, metrics)
        if self._due(step, options.images_every):
            images = self._validation.images(_local(state.inference_variables))
            self._writer.write_image(step, "images", images)
        if self._due(step, options.validate_every):
            self.save(step, state, {METRIC: self._validate(step, state)})
        elif self._due(step, options.checkpoint_every):
            self.save(step, state)
        elif self._due(step, options.log_every):
            self._checkpoints.check()

    def _due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self._options.steps

    def _validate(self, step: int, state: TrainState) -> float:
        start = time.monotonic()
        psnr = self._validation.score(_local(state.inference_variables))
        seconds = time.monotonic() - start
        logging.info("Validation at step %d: PSNR %.2f dB (%.1f s)", step, psnr, seconds)
        return psnr

    def save(self, step: int, state: TrainState, metrics: dict[str, float] | None = None) -> None:
        """Saves a checkpoint, with the scores of a validation if there was one."""
        self._logger.flush(step, state)
        if metrics is not None:
            scores = {f"validation_{name}": value for name, value in metrics.items()}
            self._writer.write_scalars(step, scores)
        start = time.monotonic()
        self._checkpoints.save(state, self._notes, metrics)
        self._logger.add_checkpoint_seconds(time.monotonic() - start)


def _local(tree: Any) -> Any:
    """This process's own copy of replicated arrays, on one device."""
    return jax.tree.map(lambda x: x.addressable_data(0), tree)
