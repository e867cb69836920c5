"""Weights in the Orbax checkpoints of a run, `WORKDIR/checkpoints/STEP`."""

import json
import os
import tempfile
from pathlib import Path

import jax
import jax.numpy as jnp
import optax

from madf_jax.checkpoints.manager import Checkpoints, read_checkpoint
from madf_jax.errors import UserError
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer, with_adam
from madf_jax.state.train_state import TrainState
from madf_jax.weights.adam import Adam
from madf_jax.weights.generator import widths_of
from madf_jax.weights.model import Weights

_SETTINGS = {"learning_rate": "learning_rate", "b1": "beta1", "b2": "beta2", "eps": "epsilon"}


def read_run(path: Path) -> tuple[Weights, Path]:
    """Reads a checkpoint without the run's config.

    Adam's settings are those of `config.json` in the working directory, or the release's without
    one.

    Args:
        path: a working directory, of which the newest checkpoint is taken, or `.../STEP` in its
            `checkpoints`.

    Returns:
        The weights, and the checkpoint's own directory.

    Raises:
        UserError: there is no checkpoint, or it is damaged.
    """
    if not _is_step(path):
        steps = _steps(path)
        if not steps:
            raise UserError(f"{path}: holds no checkpoints/STEP of a run")
        path = path / "checkpoints" / str(max(steps))
    state = read_checkpoint(path).state
    try:
        (adam,) = (part for part in state["opt_state"] if part and "mu" in part)
        moments = Adam(
            adam["mu"],
            adam["nu"],
            int(adam["count"]),
            **_settings(path.absolute().parents[1] / "config.json"),
        )
        variables = {"params": state["params"], "batch_stats": state["batch_stats"]}
        weights = Weights(
            widths_of(variables).network(),
            **variables,
            step=int(state["step"]),
            adam=moments,
            ema=state["ema"],
        )
    except (KeyError, TypeError, ValueError) as error:
        if isinstance(error, UserError):
            raise
        raise UserError(f"{path}: holds no state of a training run of this package") from None
    return weights, path


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
        UserError: there are checkpoints already, without `force` or with later steps; without
            `force`, the directory holds something else; the step's number is not the weights' own;
            or the place cannot be written.
    """
    step = int(weights.step or 0)
    if _is_step(path):
        if weights.step is not None and int(path.name) != step:
            raise UserError(f"{path}: the weights are of step {step}; name the directory so")
        step, path = int(path.name), path.parents[1]
    others = _steps(path)
    if others and not force:
        raise UserError(f"{path}: holds checkpoints already; --force writes beside them")
    if not others and not force and path.is_dir() and any(path.iterdir()):
        raise UserError(f"{path}: holds files and no checkpoints of a run; --force writes there")
    if others and max(others) > step:
        raise UserError(
            f"{path}: holds step {max(others)}, from which a run would go on instead of {step}"
        )
    target = path / "checkpoints" / str(step)
    try:
        target.parent.mkdir(parents=True, exist_ok=True)
        with tempfile.TemporaryDirectory(dir=path, prefix=".writing-") as folder:
            with Checkpoints(Path(folder)) as checkpoints:
                checkpoints.save(_state(weights, step), notes={})
            if target.exists():
                os.replace(target, Path(folder, "replaced"))
            os.replace(Path(folder, "checkpoints", str(step)), target)
    except OSError as error:
        raise UserError(f"{target}: cannot be written: {error}") from None
    return target


def _is_step(path: Path) -> bool:
    return path.name.isdecimal() and path.absolute().parent.name == "checkpoints"


def _steps(workdir: Path) -> list[int]:
    # Orbax gives a checkpoint its plain number only once it is whole.
    return [int(p.name) for p in workdir.glob("checkpoints/*") if p.name.isdecimal()]


def _settings(config: Path) -> dict[str, float]:
    if not config.is_file():
        return {}
    try:
        section = json.loads(config.read_text())["optimizer"]
        return {ours: float(section[key]) for ours, key in _SETTINGS.items()}
    except (OSError, KeyError, TypeError, ValueError):
        raise UserError(f"{config}: holds no settings of Adam; mend or move it away") from None


def _state(weights: Weights, step: int) -> TrainState:
    params = jax.tree.map(jnp.asarray, weights.params)
    opt_state = make_optimizer(OptimizerOptions(), 1).init(params)
    # The schedule counts the run's steps, Adam its own updates.
    opt_state = optax.tree.set(opt_state, count=jnp.asarray(step, jnp.int32))
    adam = weights.adam
    if adam is None:
        opt_state = with_adam(opt_state, *(jax.tree.map(jnp.zeros_like, params),) * 2, 0)
    else:
        mu, nu = (jax.tree.map(jnp.asarray, moment) for moment in (adam.mu, adam.nu))
        opt_state = with_adam(opt_state, mu, nu, adam.count)
    return TrainState(
        step=jnp.asarray(step, jnp.int32),
        params=params,
        batch_stats=jax.tree.map(jnp.asarray, weights.batch_stats),
        opt_state=opt_state,
        ema=jax.tree.map(jnp.asarray, weights.ema),
        skipped=jnp.zeros((), jnp.int32),
        skipped_in_row=jnp.zeros((), jnp.int32),
    )
