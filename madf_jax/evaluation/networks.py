"""The network that is evaluated: a checkpoint of a run, or a file of weights."""

import dataclasses
import re
from typing import Any

import jax
from absl import logging

from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.checkpoints.variables import InferenceVariables, read_variables
from madf_jax.config.sections import Setup
from madf_jax.errors import UserError
from madf_jax.evaluation.manifest import sha256_of
from madf_jax.evaluation.provenance import hash_variables
from madf_jax.files import AnyPath, local_copy, system_errors
from madf_jax.network import MADF
from madf_jax.state.train_state import init_variables
from madf_jax.weights.entry import load

Step = int | str
"""The number of a step, 'newest', or 'best' for the one with the best validation."""

NO_NETWORK: dict[str, Any] = {"step": None, "weights": None}
"""What reports say where no network is evaluated."""


@dataclasses.dataclass(frozen=True)
class EvaluatedNetwork:
    """A network and what reports say about it.

    Attributes:
        network: without its weights.
        variables: `params` and `batch_stats`.
        step: of the training; None if the file does not say.
        averaged: whether `params` is the average of the parameters over the steps.
        file: facts about the file of weights; empty for a run.
    """

    network: MADF
    variables: dict[str, Any]
    step: int | None
    averaged: bool
    file: dict[str, str] = dataclasses.field(default_factory=dict)

    @property
    def facts(self) -> dict[str, Any]:
        """What `evaluation.json` says about it."""
        weights = "averaged" if self.averaged else "trained"
        digest = hash_variables(self.variables)
        return {"step": self.step, "weights": weights, "variables_sha256": digest, **self.file}


def parse_step(text: str) -> Step:
    """The value of the flag `--step`.

    Raises:
        UserError: it is no step.
    """
    if text in ("newest", "best"):
        return text
    if re.fullmatch("[0-9]{1,18}", text):
        return int(text)
    raise UserError(f"--step={text}: use the number of a step, 'newest' or 'best'")


def open_network(
    setup: Setup, workdir: AnyPath | None, step: Step, weights: AnyPath | None
) -> EvaluatedNetwork | None:
    """Opens the network of a run or of a file.

    Args:
        setup: of the config to evaluate with.
        workdir: of the run, if it is one.
        step: of the checkpoint in it.
        weights: the file, if it is one.

    Returns:
        None if there is neither.

    Raises:
        UserError: there is no such checkpoint, or it is of another network; or the network can't
            paint images of the size `data.size`.
    """
    if workdir is not None:
        network = _open_run(setup, workdir, step)
    elif weights is not None:
        network = _open_weights(setup, weights)
    else:
        return None
    _require_size(network.network, setup.data.size)
    return network


def _open_run(setup: Setup, workdir: AnyPath, step: Step) -> EvaluatedNetwork:
    restored = _restore(setup, workdir, step)
    return EvaluatedNetwork(setup.network, restored.variables, restored.step, restored.averaged)


def _open_weights(setup: Setup, path: AnyPath) -> EvaluatedNetwork:
    """Whatever `weights.load` reads; it computes as section `network` of the config says."""
    loaded = load(path)
    network = loaded.network.clone(
        dtype=setup.network.dtype, filtering=setup.network.filtering, axis_name=None
    )
    averaged = loaded.ema is not None
    file = {"weights_file": path.name}
    if not path.is_dir():
        with local_copy(path) as copy:
            file["weights_sha256"] = sha256_of(copy)
    return EvaluatedNetwork(network, dict(loaded.variables), loaded.step, averaged, file)


def _require_size(network: MADF, size: int) -> None:
    multiple = 2**network.depth
    if size % multiple:
        raise UserError(
            f"examples are scored at {size}x{size} pixels, and the network has a depth of "
            f"{network.depth}: use a size that is a multiple of {multiple}"
        )


def _restore(setup: Setup, workdir: AnyPath, step: Step) -> InferenceVariables:
    shapes = jax.eval_shape(lambda: init_variables(setup.network, jax.random.key(0)))
    with (
        system_errors(workdir, "--workdir"),
        Checkpoints(workdir, read_only=True) as checkpoints,
    ):

        def read(step: int) -> InferenceVariables:
            return read_variables(checkpoints.path(step), shapes)

        if step == "newest":
            restored = checkpoints.newest(read)
        else:
            restored = checkpoints.at(_find_step(checkpoints, step, workdir), read)
    if restored is None:
        raise UserError(f"--workdir={workdir} holds no checkpoint; train a run there first")
    logging.info("Evaluating step %d of %s", restored.step, workdir)
    return restored


def _find_step(checkpoints: Checkpoints, step: Step, workdir: AnyPath) -> int:
    found = checkpoints.best_step if step == "best" else step
    if found in checkpoints.steps:
        return found
    there = ", ".join(map(str, checkpoints.steps)) or "none"
    reason = "no checkpoint was validated" if step == "best" else "there is no such checkpoint"
    raise UserError(f"--step={step}: {reason}; the steps in {workdir} are {there}")
