"""Training steps on a recorded case, taken by the step that trains.

`madf_jax.training.step.train_step` runs here as it runs in training: mapped over devices by
`parallelize`, with synchronized batch statistics and the optimizer of `make_optimizer`. The case
only replaces what the reference fixed when it was recorded: the images are normalized already, and
each step sees the same batch.
"""

import functools
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import jax
import jax.numpy as jnp
import optax

from madf_jax.features.vgg import VGG16
from madf_jax.parity.computed import Model
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer
from madf_jax.state.train_state import AXIS, TrainState
from madf_jax.training.parallel import data_mesh, parallelize, replicated
from madf_jax.training.step import train_step


class Step(NamedTuple):
    """A training step. Its arrays are valid until the next one, which is given their memory.

    Attributes:
        metrics: 'loss', each term summed over the outputs that it supervises, 'grad_norm' and
            'skipped_in_row'.
        gradients: what the optimizer received, a tree like `params`.
        params: after the step.
        batch_stats: after the step.
    """

    metrics: dict[str, float]
    gradients: Any
    params: Any
    batch_stats: Any


def take_steps(model: Model, steps: int, devices: Sequence[jax.Device]) -> Iterator[Step]:
    """Takes steps of Adam, by default as the reference sets it, on the case's one batch.

    Args:
        model: weights, objective and batch; with VGG-16.
        steps: how many.
        devices: that share the batch; their number divides it.
    """
    mesh = data_mesh(devices)
    tx = optax.chain(_keep_gradients(), make_optimizer(OptimizerOptions(), steps))
    mapped = parallelize(
        functools.partial(
            train_step,
            network=model.network.clone(axis_name=AXIS),
            objective=model.objective,
            tx=tx,
            vgg=VGG16(dtype=model.network.dtype),
            ema_decay=0.0,
            prepare=lambda image: image,
        ),
        mesh,
        "shard_map",
    )
    # Copies: the step donates its state, and the model keeps its variables.
    start = jax.jit(
        lambda variables: TrainState.create(jax.tree.map(jnp.copy, variables), tx, keep_ema=False),
        out_shardings=replicated(mesh),
    )
    state = start(model.variables)
    vgg = jax.device_put(model.vgg, replicated(mesh))
    batch = mapped.to_devices({"image": model.image, "mask": model.mask})
    step = mapped.step.lower(state, batch, vgg).compile(compiler_options=model.compiler_options)
    for _ in range(steps):
        state, metrics = step(state, batch, vgg)
        yield Step(
            metrics={name: float(value) for name, value in metrics.items()},
            gradients=state.opt_state[0].gradients,
            params=state.params,
            batch_stats=state.batch_stats,
        )


class _KeptGradients(NamedTuple):
    gradients: Any


def _keep_gradients() -> optax.GradientTransformation:
    """Passes gradients on unchanged and keeps them in its state."""

    def init(params: Any) -> _KeptGradients:
        return _KeptGradients(jax.tree.map(jnp.zeros_like, params))

    def update(gradients: Any, _: Any, __: Any = None) -> tuple[Any, _KeptGradients]:
        return gradients, _KeptGradients(gradients)

    return optax.GradientTransformation(init, update)
