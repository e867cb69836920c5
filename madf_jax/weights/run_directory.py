"""Weights in the Orbax checkpoints of a run, `WORKDIR/checkpoints/STEP`."""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import optax

from madf_jax.checkpoints.manager import Checkpoints, saved_steps
from madf_jax.checkpoints.reading import read_checkpoint
from madf_jax.errors import UserError
from madf_jax.files import AnyPath, absolute
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer, with_adam
from madf_jax.state.train_state import TrainState
from madf_jax.weights.adam import Adam
from madf_jax.weights.generator import flatten
from madf_jax.weights.model import Weights
from madf_jax.weights.run_config import RunConfig, read_config
from madf_jax.weights.scratch import PREFIX, scratch_folder

_TRIES = 3
_REMOVAL = 2.0  # seconds that removing a checkpoint may take


def read_run(path: AnyPath, *, optimizer: bool) -> Weights:
    """Reads a checkpoint of a run, which may be going on.

    The network, Adam's settings and the metadata are those of `config.json` in the working
    directory. Without one, the network is inferred, and the settings are `Adam`'s defaults.

    Args:
        path: a working directory, of which the newest checkpoint is taken, or `.../STEP` in its
            `checkpoints`.
        optimizer: read the optimizer's state, too.

    Raises:
        UserError: there is no checkpoint, it is damaged, or the config is not its own.
    """
    if _is_checkpoint(path):
        return _read(path, optimizer)
    newest = _newest(path)
    for _ in range(_TRIES):
        try:
            return _read(path / "checkpoints" / str(newest), optimizer)
        except UserError:
            # A run that goes on saves another one, and removes the one that was being read.
            before, newest = newest, _newest(path)
            if before == newest:
                raise
    return _read(path / "checkpoints" / str(newest), optimizer)


def _read(path: AnyPath, optimizer: bool) -> Weights:
    config = read_config(_workdir(path) / "config.json")
    try:
        state = read_checkpoint(path).state
    except UserError:
        if _is_removed(path):
            raise UserError(
                f"{path}: is gone: the run has removed it in favor of newer ones"
            ) from None
        raise
    try:
        return _weights(state, config, optimizer)
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: holds no state of a training run of this package") from None


def _weights(state: dict[str, Any], config: RunConfig, optimizer: bool) -> Weights:
    variables = {"params": state["params"], "batch_stats": state["batch_stats"]}
    shapes = {
        path: tuple(leaf.shape)
        for root, tree in variables.items()
        for path, leaf in flatten(tree, root).items()
    }
    adam = None
    if optimizer:
        (part,) = (part for part in state["opt_state"] if part and "mu" in part)
        adam = Adam(part["mu"], part["nu"], int(part["count"]), **config.adam_settings)
    return Weights(
        config.network(shapes),
        **variables,
        step=int(state["step"]),
        adam=adam,
        ema=state["ema"],
        metadata=config.metadata,
    )


def _is_removed(path: AnyPath) -> bool:
    """Whether a checkpoint that could not be read is gone, or is just being removed."""
    workdir = _workdir(path)
    deadline = time.monotonic() + _REMOVAL
    while path.exists() and max(saved_steps(workdir), default=0) > int(path.name):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.1)
    return not path.exists()


def check_run_target(path: Path, *, force: bool) -> None:
    """Finds out whether `write_run` may write there.

    Raises:
        UserError: there are checkpoints already, and no `force`; or without it, the directory holds
            something else.
    """
    workdir = _workdir(path) if _is_checkpoint(path) else path
    if force or not workdir.exists():
        return
    if not workdir.is_dir():
        raise UserError(f"{workdir}: is not a directory")
    if saved_steps(workdir):
        raise UserError(f"{workdir}: holds checkpoints already; --force writes beside them")
    if any(not _is_left_over(file) for file in workdir.iterdir()):
        raise UserError(f"{workdir}: holds files and no checkpoints of a run; --force writes there")


def write_run(path: Path, weights: Weights, *, force: bool) -> Path:
    """Writes a checkpoint from which a run with a config for this network goes on.

    Moments are zeros if the weights have none. The VGG-16 trunk has no place in it.

    Args:
        path: a working directory, or `.../checkpoints/STEP` with the step that the weights have.
        weights: of a generator.
        force: replace a checkpoint of the same step, and write beside others of earlier ones.

    Returns:
        The checkpoint's own directory. It appears whole or not at all.

    Raises:
        UserError: `check_run_target` says what else; there are later steps; the step's number is
            not the weights' own; or the place can't be written.
    """
    check_run_target(path, force=force)
    step = int(weights.step or 0)
    if _is_checkpoint(path):
        if weights.step is not None and int(path.name) != step:
            raise UserError(f"{path}: the weights are of step {step}; name the directory so")
        step, path = int(path.name), Path(_workdir(path))
    latest = max(saved_steps(path), default=step)
    if latest > step:
        raise UserError(
            f"{path}: holds step {latest}, from which a run would go on instead of {step}"
        )
    target = path / "checkpoints" / str(step)
    try:
        path.mkdir(parents=True, exist_ok=True)
        with scratch_folder(path) as folder:
            with Checkpoints(folder) as checkpoints:
                checkpoints.save(_state(weights, step), notes={})
            target.parent.mkdir(exist_ok=True)
            if target.exists():
                os.replace(target, folder / "replaced")
            os.replace(folder / "checkpoints" / str(step), target)
    except OSError as error:
        raise UserError(f"{target}: can't be written: {error.strerror or error}") from None
    return target


def _is_left_over(path: Path) -> bool:
    """Whether a killed conversion may have left it: it is nothing of the user's."""
    empty = path.name == "checkpoints" and path.is_dir() and not any(path.iterdir())
    return empty or path.name.startswith(PREFIX)


def _is_checkpoint(path: AnyPath) -> bool:
    """Whether a path is that of one checkpoint, not of a working directory.

    A working directory may be called `checkpoints/1`, too: then it has checkpoints of its own, or
    it is there without what Orbax writes into each.
    """
    if not (path.name.isdecimal() and absolute(path).parent.name == "checkpoints"):
        return False
    if not path.is_dir():
        return True
    return not (path / "checkpoints").is_dir() and any(path.iterdir())


def _workdir(checkpoint: AnyPath) -> AnyPath:
    return absolute(checkpoint).parents[1]


def _newest(workdir: AnyPath) -> int:
    steps = saved_steps(workdir)
    if not steps:
        raise UserError(f"{workdir}: holds no checkpoints/STEP of a run")
    return max(steps)


def _state(weights: Weights, step: int) -> TrainState:
    variables = {"params": weights.params, "batch_stats": weights.batch_stats}
    variables, ema = jax.tree.map(jnp.asarray, (variables, weights.ema))
    state = TrainState.create(variables, make_optimizer(OptimizerOptions(), 1), keep_ema=False)
    # The schedule counts the run's steps, Adam its own updates.
    opt_state = optax.tree.set(state.opt_state, count=jnp.asarray(step, jnp.int32))
    adam = weights.adam
    if adam is None:
        opt_state = with_adam(opt_state, *(jax.tree.map(jnp.zeros_like, state.params),) * 2, 0)
    else:
        mu, nu = (jax.tree.map(jnp.asarray, moment) for moment in (adam.mu, adam.nu))
        opt_state = with_adam(opt_state, mu, nu, adam.count)
    return state.replace(step=jnp.asarray(step, jnp.int32), opt_state=opt_state, ema=ema)
