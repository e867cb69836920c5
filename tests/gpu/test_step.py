"""The training step on a GPU: mapped in two ways, recomputed, and beside the CPU's."""

import functools

import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest

from madf_jax.features.vgg import VGG16
from madf_jax.objective.supervision import Objective
from madf_jax.state.train_state import AXIS, TrainState
from madf_jax.training.parallel import data_mesh, parallelize, replicated
from madf_jax.training.step import train_step

pytestmark = pytest.mark.gpu

STEPS = 3


@pytest.fixture(scope="module")
def train(make_network, make_variables, make_batch):
    """Parameters and losses of a few steps of gradient descent."""

    @functools.cache
    def run(device, dtype="float64", parallel="shard_map", **changes):
        double = dtype == "float64"
        with jax.enable_x64(double), jax.default_matmul_precision("highest"):
            changes |= {"param_dtype": jnp.float64} if double else {"dtype": jnp.dtype(dtype)}
            network, tx, mesh = make_network(**changes), optax.sgd(0.05), data_mesh([device])
            variables = jax.tree.map(
                lambda leaf: jnp.asarray(leaf, jnp.float64 if double else None),
                make_variables(make_network()),
            )
            step = functools.partial(
                train_step,
                network=network.clone(axis_name=AXIS),
                objective=Objective(perceptual=0, style=0),
                tx=tx,
                vgg=VGG16(),
                ema_decay=0.0,
                prepare=lambda image: (
                    jnp.asarray(image, jnp.float64 if double else jnp.float32) / 255
                ),
            )
            mapped = parallelize(step, mesh, parallel)
            state = TrainState.create(variables, tx, keep_ema=False)
            state, losses = jax.device_put(state, replicated(mesh)), []
            batch = mapped.to_devices(dict(zip(("image", "mask"), make_batch(), strict=True)))
            for _ in range(STEPS):
                state, metrics = mapped.step(state, batch, None)
                losses.append(float(metrics["loss"]))
            return jax.device_get(state.params), np.asarray(losses)

    return run


def assert_equal(found, expected, tolerance):
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(expected), strict=True):
        np.testing.assert_allclose(one, other, rtol=0, atol=tolerance)


def test_both_mappings_of_the_step_train_alike(train, device):
    assert_equal(train(device), train(device, parallel="pmap"), 1e-10)


def test_the_step_equals_that_on_the_cpu(train, device, cpu_device):
    assert_equal(train(device), train(cpu_device), 1e-10)


def test_recomputing_levels_changes_nothing(train, device):
    assert_equal(train(device), train(device, remat="everything"), 1e-10)


@pytest.mark.parametrize(("dtype", "tolerance"), [("float32", 1e-3), ("bfloat16", 5e-2)])
def test_losses_in_fewer_bits_follow_those_in_float64(train, device, dtype, tolerance):
    _, exact = train(device)
    _, losses = train(device, dtype)
    np.testing.assert_allclose(losses, exact, rtol=tolerance)
    assert losses[-1] < losses[0]
