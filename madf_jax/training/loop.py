"""The training loop: everything that touches files, clocks and devices while a run goes on."""

import contextlib
import json
from collections.abc import Iterator
from typing import Any

import jax
from absl import logging
from clu import parameter_overview

from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.checkpoints.ownership import clear_abandoned_lock, exclusive
from madf_jax.checkpoints.reading import Restored
from madf_jax.compiler import persistent_compilation_cache
from madf_jax.config.identity import describe_job
from madf_jax.config.run_config import write_run_config
from madf_jax.config.sections import Setup
from madf_jax.data.pipeline import iterate
from madf_jax.files import AnyPath, in_bucket, make_directory, write_text
from madf_jax.processes import together
from madf_jax.state.train_state import TrainState
from madf_jax.training.agreement import Vote, require_agreement, require_same_directory
from madf_jax.training.feed import Feed, NoBatch
from madf_jax.training.inputs import Inputs, read_inputs
from madf_jax.training.metric_logger import MetricLogger
from madf_jax.training.parallel import data_mesh, replicated
from madf_jax.training.periodic_actions import PeriodicActions
from madf_jax.training.profile import Profile
from madf_jax.training.program import Program, compile_step, make_program
from madf_jax.training.signals import StopSignals
from madf_jax.training.tensorboard import TensorBoardWriter
from madf_jax.training.warm_start import warm_start
from madf_jax.weights import Weights

_SHOWN = 8
_PARAMETERS = "parameters.txt"


def train(setup: Setup, workdir: AnyPath, stop: StopSignals | None = None) -> bool:
    """Trains until `training.steps`, from the newest checkpoint in `workdir` if there is one.

    Args:
        setup: the sections of the run's config.
        workdir: for checkpoints, TensorBoard's files and the config; made if need be.
        stop: says between steps whether to save and stop.

    Returns:
        Whether the run is at its end. False if one of its processes was asked to stop: then a
        checkpoint of the last step was saved, and the next call resumes from it.

    Raises:
        UserError: something in the config, the data or the working directory is wrong, the
            processes of the job differ in them, another training uses the directory, a checkpoint
            can't be written, or too many steps in a row had gradients that are not finite.
    """
    mesh = data_mesh()
    with together():
        program = make_program(setup, mesh)
        if jax.process_index() == 0 and in_bucket(workdir):
            make_directory(workdir, "--workdir")  # which makes nothing, but needs the permission
            clear_abandoned_lock(workdir)
    with together():
        inputs = read_inputs(program, workdir)
    config, data = json.loads(describe_job(setup, inputs.data.fingerprint))
    require_agreement(config, data, inputs.newest)
    with _own(workdir):
        return _train(program, workdir, inputs, stop or StopSignals())


@contextlib.contextmanager
def _own(workdir: AnyPath) -> Iterator[None]:
    """Makes the working directory, finds out that all processes see the same one, and locks it."""
    with contextlib.ExitStack() as stack:
        token = ""
        with together():
            if jax.process_index() == 0:
                make_directory(workdir, "--workdir")
                token = stack.enter_context(exclusive(workdir))
        require_same_directory(workdir, token)
        with together():
            make_directory(workdir, "--workdir")
        yield


def _train(program: Program, workdir: AnyPath, inputs: Inputs, stop: StopSignals) -> bool:
    setup, mapped = program.setup, program.mapped
    options, notes = setup.training, {"data": inputs.data.fingerprint}
    vgg_variables = jax.device_put(inputs.vgg_variables, replicated(program.mesh))
    with contextlib.ExitStack() as stack:
        checkpoints = stack.enter_context(Checkpoints(workdir, keep_last=options.keep_last))
        cache = workdir / "compiled" if options.compile_cache else None
        stack.enter_context(persistent_compilation_cache(cache))
        # Before the state is there: compiling takes memory of its own for a while.
        step_fn: Any = None
        if (inputs.newest or 0) < options.steps:
            step_fn = compile_step(program)
        state = _begin(program, checkpoints, inputs.weights, notes)
        step = start = int(state.step)
        if step_fn is None and start < options.steps:  # the newest checkpoint was damaged
            step_fn = compile_step(program)
        if jax.process_index() == 0:
            write_run_config(setup, workdir, start)
            _write_parameters(state, workdir)
        feed = Feed(iterate(inputs.data.dataset, setup.loader, start=step), mapped.to_devices)
        writer = stack.enter_context(contextlib.closing(TensorBoardWriter(workdir)))
        profile = stack.enter_context(contextlib.closing(Profile(options.profile_steps, workdir)))
        logger = MetricLogger(options, setup.optimizer, writer, feed)
        validation = inputs.validation
        actions = PeriodicActions(options, logger, writer, validation, checkpoints, notes)
        vote, remaining = Vote(program.mesh), range(step + 1, options.steps + 1)
        try:
            for step, batch in zip(remaining, feed, strict=False):
                profile.before(step)
                state, metrics = step_fn(state, batch, vgg_variables)
                stop.defer()
                feed.running = metrics["loss"]
                profile.after(step, metrics)
                actions.after(step, state, metrics)
                if vote(stop.asked):
                    actions.save(step, state)
                    logging.info("Stopped at step %d as asked; run again to resume", step)
                    return step == options.steps
        except NoBatch:
            # Several processes would have to save together, but the others wait for a step.
            if jax.process_count() == 1:
                actions.save(step, state)
            raise
    if start > options.steps:
        logging.warning(
            "training.steps is %d and %s is at step %d already: nothing was trained",
            *(options.steps, workdir, start),
        )
    else:
        logging.info("Done: %d steps in %s", options.steps, workdir)
    return True


def _begin(
    program: Program, checkpoints: Checkpoints, weights: Weights | None, notes: dict[str, Any]
) -> TrainState:
    """The state of the newest checkpoint; else one that begins with `weights`, or a fresh one."""
    restored = checkpoints.restore(program.abstract_state())
    if restored is not None:
        _warn_of_other_data(restored, notes["data"])
        logging.info("Resuming from step %d", restored.step)
        return restored.state
    state = program.create_state()
    if weights is None:
        return state
    init = program.setup.init
    warm = warm_start(state, weights, optimizer=init.optimizer)
    logging.info("Starting from the weights in init.weights=%s", init.weights)
    return jax.device_put(warm, replicated(program.mesh))


def _warn_of_other_data(restored: Restored, data: dict[str, Any]) -> None:
    before = restored.notes.get("data", data)
    changed = [key for key, value in data.items() if before.get(key) != value]
    if changed:
        logging.warning(
            "Since the checkpoint at step %d the data changed in %s: "
            "the run continues with other batches than it would have seen",
            restored.step,
            ", ".join(changed),
        )


def _write_parameters(state: TrainState, workdir: AnyPath) -> None:
    """Logs how many parameters there are, and writes the table of them to a file."""
    table = parameter_overview.get_parameter_overview(state.params, include_stats=False)
    write_text(workdir / _PARAMETERS, table + "\n")
    count = parameter_overview.count_parameters(state.params)
    logging.info("The network has %d parameters, listed in %s", count, workdir / _PARAMETERS)
