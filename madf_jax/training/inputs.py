"""What a run begins with: data and weights, read before anything compiles."""

from pathlib import Path
from typing import Any, NamedTuple

import jax
from absl import logging

from madf_jax.checkpoints.manager import saved_steps
from madf_jax.config.identity import check_config
from madf_jax.config.options import TrainingOptions
from madf_jax.config.sections import Setup
from madf_jax.data.pipeline import TrainingData, training_data
from madf_jax.errors import UserError
from madf_jax.evaluation.validation import Validation
from madf_jax.files import AnyPath, any_path
from madf_jax.training.program import Program
from madf_jax.training.warm_start import require_fit
from madf_jax.weights import Weights, load
from madf_jax.weights.checks import error_context
from madf_jax.weights.vgg import load_vgg


class Inputs(NamedTuple):
    """What a run begins with.

    Attributes:
        newest: step of the newest checkpoint, damaged or not; None if there is none.
        weights: of a new run that begins with those of a file.
        vgg_variables: of VGG-16 on the host; None if the objective needs none.
        data: this process's share of the training batches.
        validation: the held-out examples.
    """

    newest: int | None
    weights: Weights | None
    vgg_variables: Any
    data: TrainingData
    validation: Validation


def read_inputs(program: Program, workdir: AnyPath) -> Inputs:
    """Reads all that a user may have got wrong, and changes nothing.

    Args:
        program: of the run.
        workdir: of the run.

    Raises:
        UserError: the config does not fit the devices or the run in `workdir`, or weights or data
            are missing or unusable.
    """
    setup = program.setup
    newest = max(saved_steps(workdir), default=None)
    if newest is not None:
        check_config(setup, workdir, newest)
    _check_devices(setup.training, program.mesh.size)
    weights = None if newest is not None else _first_weights(program)
    vgg_variables = _vgg_variables(setup)
    logging.info("Reading the lists of images and masks")
    data = training_data(
        setup.data,
        setup.masks,
        seed=setup.training.seed,
        batch_size=setup.training.batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    return Inputs(newest, weights, vgg_variables, data, Validation(setup))


def _vgg_variables(setup: Setup) -> Any:
    if not setup.objective.needs_vgg:
        return None
    path = setup.init.vgg_weights
    return load_vgg(Path(path) if path else None)


def _first_weights(program: Program) -> Weights | None:
    init = program.setup.init
    if not init.weights:
        return None
    weights = load(init.weights, optimizer=init.optimizer)
    with error_context(any_path(init.weights)):
        require_fit(weights, program.abstract_state())
    return weights


def _check_devices(options: TrainingOptions, devices: int) -> None:
    parts = devices * options.accumulate_steps
    if options.batch_size % parts:
        micro = f" times {options.accumulate_steps} micro-batches"
        raise UserError(
            f"training.batch_size is {options.batch_size}; use a multiple of the {devices} devices"
            + (micro if options.accumulate_steps > 1 else "")
        )
