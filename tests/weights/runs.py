"""Runs with checkpoints, made without training."""

import jax
import numpy as np

from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.state.initial import abstract_state
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer

TX = make_optimizer(OptimizerOptions(clip_norm=1.0, schedule="cosine", warmup_steps=2), 10)


def random_state(network):
    """Of a run at step 7 that skipped none; every other leaf is different."""
    device = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    shapes = abstract_state(network, TX, keep_ema=True, sharding=device)
    leaves, form = jax.tree.flatten(shapes)
    generator = np.random.default_rng(0)

    def fill(leaf):
        random = generator.random(leaf.shape, np.float32)
        return random if leaf.dtype == np.float32 else np.full(leaf.shape, 7, leaf.dtype)

    state = jax.tree.unflatten(form, map(fill, leaves))
    none = np.zeros((), np.int32)  # files of weights do not hold these
    state = state.replace(skipped=none, skipped_in_row=none)
    return jax.device_put(state, jax.devices()[0])


def save_run(path, *states):
    with Checkpoints(path, keep_last=3) as checkpoints:
        for state in states:
            checkpoints.save(state, {"data": {"seed": 1}})


def at_step(state, step):
    return state.replace(step=np.asarray(step, np.int32))
