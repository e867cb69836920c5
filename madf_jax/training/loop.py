"""The training loop: everything that touches files, clocks and devices while a run goes on."""

import contextlib
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
from absl import logging
from clu import parameter_overview

from madf_jax.checkpoints.manager import METRIC, Checkpoints, saved_steps
from madf_jax.config.identity import check_config, describe_job
from madf_jax.config.run_config import write_run_config
from madf_jax.config.sections import Setup, abstract_state, create_state, initial_state
from madf_jax.data.pipeline import iterate, training_data
from madf_jax.errors import UserError
from madf_jax.evaluation.validation import Validation
from madf_jax.files import make_directory
from madf_jax.state.train_state import TrainState
from madf_jax.training.feed import Feed
from madf_jax.training.metric_logger import Profile, Watch
from madf_jax.training.parallel import data_mesh, replicated
from madf_jax.training.processes import require_agreement
from madf_jax.training.program import compiled_step, kept_programs, map_step
from madf_jax.training.step import Metrics
from madf_jax.training.warm_start import require_fit, warm_start
from madf_jax.weights import Weights, load
from madf_jax.weights.checks import error_context
from madf_jax.weights.vgg import load_vgg


def train(setup: Setup, workdir: Path) -> bool:
    """Trains until `training.steps`, from the newest checkpoint in `workdir` if there is one.

    Args:
        setup: the sections of the run's config.
        workdir: for checkpoints, TensorBoard's files and the config; made if need be.

    Returns:
        Whether the run is at its end. False after SIGTERM, Ctrl-C or a preemption notice: then a
        checkpoint of the last step was saved, and the next call goes on from it.

    Raises:
        UserError: something in the config, the data or the working directory is wrong, the
        processes of the job differ in them, a checkpoint can't be written, or too many steps in a
        row had gradients that are not finite.
    """
    steps = saved_steps(workdir)
    if steps:
        check_config(setup, workdir, steps[-1])
    mesh = data_mesh()
    _check_devices(setup, mesh.size)
    # Before anything compiles: missing weights must not cost the user minutes.
    vgg_variables = _vgg_variables(setup)
    weights = None if steps else _first_weights(setup)
    data = training_data(
        setup.data,
        setup.masks,
        seed=setup.training.seed,
        batch_size=setup.training.batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    require_agreement(describe_job(setup, data.fingerprint))
    validation = Validation(setup)
    make_directory(workdir, "--workdir")
    mapped = map_step(setup, mesh)
    vgg_variables = jax.device_put(vgg_variables, replicated(mesh))
    with (
        Checkpoints(workdir, keep_last=setup.training.keep_last) as checkpoints,
        _stop_signal() as stop_asked,
        kept_programs(workdir / "compiled" if setup.training.compile_cache else None),
    ):
        # Before the state is there: compiling takes memory of its own for a while.
        step_fn = compiled_step(setup, mesh, mapped)
        state = _begin(setup, checkpoints, weights, data.fingerprint, replicated(mesh))
        start = int(state.step)
        if jax.process_index() == 0:
            write_run_config(setup, workdir, start)
        feed = Feed(iterate(data.dataset, setup.loader, start=start), mapped.to_devices)
        with (
            contextlib.closing(Watch(setup, workdir, feed)) as watch,
            contextlib.closing(Profile(setup.training.profile_steps, workdir)) as profile,
        ):
            actions = _Actions(setup, watch, validation, checkpoints, data.fingerprint)
            for step in range(start + 1, setup.training.steps + 1):
                profile.before(step)
                state, metrics = step_fn(state, feed.take(), vgg_variables)
                if step < setup.training.steps:
                    feed.prefetch(metrics["loss"])
                profile.after(step, metrics)
                actions.after(step, state, metrics)
                if stop_asked() or checkpoints.reached_preemption(step):
                    actions.save(step, state)
                    logging.info(
                        "Stopped at step %d as asked; the same command goes on from here", step
                    )
                    return step == setup.training.steps
        if start > setup.training.steps:
            logging.warning(
                "training.steps is %d and %s is at step %d already: nothing was trained",
                *(setup.training.steps, workdir, start),
            )
        else:
            logging.info("Done: %d steps in %s", setup.training.steps, workdir)
        return True


class _Actions:
    """What happens between steps beside watching: images, validations, checkpoints."""

    def __init__(
        self,
        setup: Setup,
        watch: Watch,
        validation: Validation,
        checkpoints: Checkpoints,
        fingerprint: dict[str, Any],
    ) -> None:
        self._options, self._watch = setup.training, watch
        self._validation, self._checkpoints = validation, checkpoints
        self._notes = {"data": fingerprint}

    def after(self, step: int, state: TrainState, metrics: Metrics) -> None:
        """Does what is due after a step."""
        options = self._options
        self._watch.after(step, state, metrics)
        if self._due(step, options.images_every):
            self._watch.write_image(
                step, "images", self._validation.images(_local(state.inference_variables))
            )
        if self._due(step, options.validate_every):
            self.save(
                step, state, {METRIC: self._validation.score(_local(state.inference_variables))}
            )
        elif self._due(step, options.checkpoint_every):
            self.save(step, state)
        elif self._due(step, options.log_every):
            self._checkpoints.check()

    def _due(self, step: int, every: int) -> bool:
        return step % every == 0 or step == self._options.steps

    def save(self, step: int, state: TrainState, metrics: dict[str, float] | None = None) -> None:
        """Saves a checkpoint, with the scores of a validation if there was one."""
        self._watch.flush(step, state)
        if metrics is not None:
            scores = {f"validation_{name}": value for name, value in metrics.items()}
            self._watch.write_scalars(step, scores)
        start = time.monotonic()
        self._checkpoints.save(state, self._notes, metrics)
        self._watch.saved(time.monotonic() - start)


def _vgg_variables(setup: Setup) -> Any:
    if not setup.objective.needs_vgg:
        return None
    path = setup.init.vgg_weights
    return load_vgg(Path(path) if path else None)


def _first_weights(setup: Setup) -> Weights | None:
    if not setup.init.weights:
        return None
    weights = load(setup.init.weights, optimizer=setup.init.optimizer)
    with error_context(Path(setup.init.weights)):
        require_fit(weights, jax.eval_shape(lambda: initial_state(setup)))
    return weights


def _check_devices(setup: Setup, devices: int) -> None:
    options = setup.training
    parts = devices * options.accumulate_steps
    if options.batch_size % parts:
        micro = f" times {options.accumulate_steps} micro-batches"
        raise UserError(
            f"training.batch_size is {options.batch_size}; use a multiple of the {devices} devices"
            + (micro if options.accumulate_steps > 1 else "")
        )


def _begin(
    setup: Setup,
    checkpoints: Checkpoints,
    weights: Weights | None,
    fingerprint: dict[str, Any],
    sharding: jax.sharding.Sharding,
) -> TrainState:
    """The state of the newest checkpoint; else one that begins with `weights`, or a fresh one."""
    restored = checkpoints.restore(abstract_state(setup, sharding))
    if restored is None:
        state = create_state(setup, sharding)
        if weights is not None:
            warm = warm_start(state, weights, optimizer=setup.init.optimizer)
            state = jax.device_put(warm, sharding)
        parameter_overview.log_parameter_overview(state.params, include_stats=False)
        return state
    saved = restored.notes.get("data", fingerprint)
    changed = [k for k, v in fingerprint.items() if saved.get(k) != v]
    if changed:
        logging.warning(
            "Since the checkpoint at step %d the data changed in %s: "
            "the run goes on with other batches than it would have seen",
            restored.step,
            ", ".join(changed),
        )
    logging.info("Resuming from step %d", restored.step)
    return restored.state


def _local(tree: Any) -> Any:
    """This process's own copy of replicated arrays, on one device."""
    return jax.tree.map(lambda x: x.addressable_data(0), tree)


@contextmanager
def _stop_signal() -> Iterator[Any]:
    """Makes SIGTERM and Ctrl-C a question asked between steps; a second one acts at once."""
    asked = False

    def ask(number: int, _: Any) -> None:
        nonlocal asked
        asked = True
        signal.signal(number, before[number])

    # Of several processes one alone must not stop: there Orbax agrees on a step with all of them.
    numbers: tuple[int, ...] = () if jax.process_count() > 1 else (signal.SIGTERM, signal.SIGINT)
    before = {number: signal.getsignal(number) for number in numbers}
    for number in before:
        signal.signal(number, ask)
    try:
        yield lambda: asked
    finally:
        for number, handler in before.items():
            signal.signal(number, handler)
