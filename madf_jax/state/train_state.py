"""What a run carries from step to step, and how it begins."""

from typing import Any, Self

import flax.struct
import jax
import jax.numpy as jnp
import optax

from madf_jax.network import MADF

AXIS = "data"
"""Name of the mapped axis over all devices."""


class TrainState(flax.struct.PyTreeNode):
    """All that changes while training.

    Attributes:
        step: int32 scalar, steps taken.
        params: the network's parameters.
        batch_stats: running statistics of its batch normalization.
        opt_state: of the optax transformation.
        ema: exponential moving average of `params`, or None if the run keeps none.
        skipped: int32 scalar, steps that were skipped since their gradient was not finite.
        skipped_in_row: int32 scalar, how many of them were the last steps.
    """

    step: jax.Array
    params: Any
    batch_stats: Any
    opt_state: optax.OptState
    ema: Any | None
    skipped: jax.Array
    skipped_in_row: jax.Array

    @classmethod
    def create(
        cls, variables: dict[str, Any], tx: optax.GradientTransformation, *, keep_ema: bool
    ) -> Self:
        """The state before the first step.

        Args:
            variables: `params` and `batch_stats` to begin with.
            tx: the optimizer.
            keep_ema: whether to average the parameters.
        """
        params = variables["params"]
        return cls(
            step=jnp.zeros((), jnp.int32),
            params=params,
            batch_stats=variables["batch_stats"],
            opt_state=tx.init(params),
            # A copy: one buffer can't be donated twice.
            ema=jax.tree.map(jnp.copy, params) if keep_ema else None,
            skipped=jnp.zeros((), jnp.int32),
            skipped_in_row=jnp.zeros((), jnp.int32),
        )

    @property
    def inference_variables(self) -> dict[str, Any]:
        """The variables that paint, by `inference_fields`."""
        fields = inference_fields(averaged=self.ema is not None)
        return {collection: getattr(self, field) for collection, field in fields.items()}


def inference_fields(*, averaged: bool) -> dict[str, str]:
    """Which fields of a state paint, by collection of the network's variables.

    This is the one rule for what is validated, evaluated and used for inference: the averaged
    parameters of a run that averages them (`training.ema_decay`), else those that are trained; and
    the running statistics.

    Args:
        averaged: whether the state holds an average.
    """
    return {"params": "ema" if averaged else "params", "batch_stats": "batch_stats"}


def init_variables(network: MADF, key: jax.Array) -> dict[str, Any]:
    """Fresh `params` and `batch_stats` of a network; they depend on no image's size."""
    side = 2**network.depth
    shape = (1, side, side)
    return network.init(key, jnp.zeros((*shape, 3)), jnp.ones((*shape, 1)), train=True)
