"""The training loop: everything that touches files, clocks and devices while a run goes on."""

import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import ml_collections
import numpy as np
from absl import logging
from clu import metric_writers, parameter_overview, periodic_actions

from madf_jax.data.pipeline import evaluation_dataset, iterate, training_data
from madf_jax.errors import UserError
from madf_jax.evaluation.painter import make_painter
from madf_jax.evaluation.report import picture_rows
from madf_jax.evaluation.scoring import mean_psnr
from madf_jax.files import write_text
from madf_jax.run.checkpoints import METRIC, Checkpoints
from madf_jax.run.optimizer import make_schedule
from madf_jax.run.setup import Setup, abstract_state, create_state, from_config
from madf_jax.run.state import TrainState
from madf_jax.training.feed import Feed
from madf_jax.training.parallel import data_mesh, replicated
from madf_jax.training.program import compiled_step, kept_programs, map_step
from madf_jax.training.step import Metrics
from madf_jax.training.warm_start import warm_start
from madf_jax.weights.checkpoint import read_weights
from madf_jax.weights.vgg import load_vgg

_SHOWN = 8


def train(config: ml_collections.ConfigDict, workdir: Path) -> None:
    """Trains until `training.steps`, from the newest checkpoint in `workdir` if there is one.

    Args:
        config: every section of `configs/default.py`.
        workdir: for checkpoints, TensorBoard's files and the config; made if need be.

    Raises:
        UserError: something in the config, the data or the working directory is wrong; the loss is
        not finite.
    """
    setup = from_config(config)
    # Before anything compiles: missing weights must not cost the user minutes.
    vgg_variables = _vgg_variables(setup)
    mesh = data_mesh()
    _check_devices(setup, mesh.size)
    data = training_data(
        setup.data,
        setup.masks,
        seed=setup.training.seed,
        batch_size=setup.training.batch_size,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    validation = _Validation(setup)
    workdir.mkdir(parents=True, exist_ok=True)
    mapped = map_step(setup, mesh)
    vgg_variables = jax.device_put(vgg_variables, replicated(mesh))
    writer = metric_writers.create_default_writer(
        workdir, just_logging=jax.process_index() > 0, asynchronous=False
    )
    with (
        Checkpoints(workdir, keep_last=setup.training.keep_last) as checkpoints,
        _stop_signal() as stop_asked,
        kept_programs(workdir / "compiled" if setup.training.compile_cache else None),
        metric_writers.ensure_flushes(writer),
    ):
        # Before the state is there: compiling takes memory of its own for a while.
        step_fn = compiled_step(setup, mesh, mapped)
        state = _begin(setup, checkpoints, data.fingerprint, replicated(mesh))
        start = int(state.step)
        if start == 0:
            _write_config(config, workdir)
        feed = Feed(iterate(data.dataset, setup.loader, start=start), mapped.to_devices)
        actions = _Actions(setup, writer, validation, checkpoints, data.fingerprint, feed)
        for step in range(start + 1, setup.training.steps + 1):
            state, metrics = step_fn(state, feed.take(), vgg_variables)
            if step < setup.training.steps:
                feed.prefetch(metrics["loss"])
            actions.after(step, state, metrics)
            if stop_asked() or checkpoints.reached_preemption(step):
                actions.save(step, state)
                logging.info(
                    "Stopped at step %d as asked; the same command goes on from here", step
                )
                return
        logging.info("Done: %d steps in %s", setup.training.steps, workdir)


class _Actions:
    """What happens between steps: scalars, progress, pictures, validations, checkpoints."""

    def __init__(
        self,
        setup: Setup,
        writer: metric_writers.MetricWriter,
        validation: "_Validation",
        checkpoints: Checkpoints,
        fingerprint: dict[str, Any],
        feed: Feed,
    ) -> None:
        self._options, self._writer = setup.training, writer
        self._validation, self._checkpoints = validation, checkpoints
        self._notes = {"data": fingerprint}
        self._schedule = make_schedule(setup.optimizer, setup.training.steps)
        self._progress = periodic_actions.ReportProgress(
            num_train_steps=setup.training.steps, writer=None, every_secs=20.0
        )
        self._feed, self._waited, self._since = feed, feed.waited, time.monotonic()
        self._metrics: list[Metrics] = []
        self._log_at: int | None = None

    def after(self, step: int, state: TrainState, metrics: Metrics) -> None:
        """Does what is due after a step."""
        options = self._options
        due = {
            name: step == options.steps or step % every == 0
            for name, every in (
                ("log", options.log_every),
                ("pictures", options.pictures_every),
                ("validate", options.validate_every),
                ("checkpoint", options.checkpoint_every),
            )
        }
        self._progress(step)
        if self._metrics:
            # The step before this one: the devices have work while the host waits, and the host
            # stays one step ahead.
            jax.block_until_ready(self._metrics[-1])
        if self._log_at is not None:
            self._write_scalars(self._log_at)
        self._metrics.append(metrics)
        self._log_at = step if due["log"] else None
        if due["pictures"] or due["validate"] or due["checkpoint"] or step == options.steps:
            self._write_scalars(step)
        if due["pictures"]:
            self._writer.write_images(step, {"pictures": self._validation.pictures(state)})
        if due["validate"]:
            self.save(step, state, {METRIC: self._validation.score(state)})
        elif due["checkpoint"]:
            self.save(step, state)

    def save(self, step: int, state: TrainState, metrics: dict[str, float] | None = None) -> None:
        """Saves a checkpoint, with the scores of a validation if there was one."""
        if self._metrics:
            self._write_scalars(step)
        if metrics is not None:
            self._writer.write_scalars(step, {f"validation_{k}": v for k, v in metrics.items()})
        self._checkpoints.save(state, self._notes, metrics)

    def _write_scalars(self, step: int) -> None:
        """Writes means of the steps so far; refuses to go on once the loss is not finite."""
        self._log_at = None
        seen: list[dict[str, Any]] = jax.device_get(self._metrics)
        means = {name: float(np.mean([m[name] for m in seen])) for name in seen[0]}
        now = time.monotonic()
        rate = len(seen) * self._options.batch_size / (now - self._since)
        waiting = (self._feed.waited - self._waited) / (now - self._since)
        self._since, self._waited, self._metrics = now, self._feed.waited, []
        lr = float(self._schedule(step - 1))
        about = {"learning_rate": lr, "images_per_second": rate, "data_wait_share": waiting}
        self._writer.write_scalars(step, {**means, **about})
        # The gradient too: it can be broken where the loss still is not, and breaks the weights.
        if not np.isfinite([means["loss"], means["grad_norm"]]).all():
            raise UserError(
                f"the loss or its gradient is not finite between steps "
                f"{step - len(seen) + 1} and {step}; "
                "nothing of them was saved. "
                "Lower optimizer.learning_rate or set optimizer.clip_norm, and start again: "
                "the run goes on from its last checkpoint"
            )


class _Validation:
    """Held-out examples painted while training, by every process the same, on its own device."""

    def __init__(self, setup: Setup) -> None:
        options = setup.evaluation
        self._batch_size, self._loader = options.batch_size, setup.loader
        self._dataset = evaluation_dataset(
            setup.data,
            setup.masks,
            seed=options.seed,
            count=options.validation_count,
            batch_size=options.batch_size,
        )
        self._painter = make_painter(setup.network)

    def score(self, state: TrainState) -> float:
        """Mean PSNR of the composites, decibels."""
        batches = iterate(self._dataset, self._loader)
        return mean_psnr(self._painter, _local(state.best_variables), batches, self._batch_size)

    def pictures(self, state: TrainState) -> np.ndarray:
        """A grid (1, H, W, 3), uint8: masked, output, composite, original."""
        batch = self._dataset[0]
        image, mask = batch["image"][:_SHOWN], batch["mask"][:_SHOWN]
        output, composite = self._painter(_local(state.best_variables), image, mask)
        masked = np.where(mask > 0, image, np.uint8(128))
        return picture_rows(masked, output, composite, image)[None]


def _vgg_variables(setup: Setup) -> Any:
    if not setup.objective.needs_vgg:
        return None
    path = setup.init.vgg_weights
    return load_vgg(Path(path) if path else None)


def _check_devices(setup: Setup, devices: int) -> None:
    if setup.training.batch_size % devices:
        raise UserError(
            f"training.batch_size is {setup.training.batch_size}; "
            f"use a multiple of the {devices} devices"
        )


def _begin(
    setup: Setup,
    checkpoints: Checkpoints,
    fingerprint: dict[str, Any],
    sharding: jax.sharding.Sharding,
) -> TrainState:
    """The state of the newest checkpoint; else one from the weights of `init`, or a fresh one."""
    restored = checkpoints.restore(abstract_state(setup, sharding))
    if restored is None:
        weights = read_weights(setup.init.weights) if setup.init.weights else None
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


def _write_config(config: ml_collections.ConfigDict, workdir: Path) -> None:
    if jax.process_index() == 0:
        write_text(workdir / "config.json", config.to_json_best_effort(indent=2) + "\n")


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
