import jax
import numpy as np
import pytest

from madf_jax.state.optimizer import (
    OptimizerOptions,
    last_update_norm,
    make_optimizer,
    make_schedule,
)


def rates(steps, **options):
    schedule = make_schedule(OptimizerOptions(learning_rate=0.5, **options), 100)
    return [float(schedule(step)) for step in steps]


def test_constant_schedule():
    assert rates([0, 50, 1000]) == [0.5] * 3


def test_warmup_rises_linearly_from_zero():
    assert rates([0, 5, 10, 100], warmup_steps=10) == pytest.approx([0, 0.25, 0.5, 0.5])


def test_cosine_ends_at_zero_with_the_run():
    assert rates([0, 50, 100], schedule="cosine") == pytest.approx([0.5, 0.25, 0], abs=1e-7)


def test_cosine_after_a_warmup_takes_the_rest_of_the_run():
    found = rates([0, 20, 60, 100], schedule="cosine", warmup_steps=20)
    assert found == pytest.approx([0, 0.5, 0.25, 0], abs=1e-7)


def updates(gradients, **options):
    tx = make_optimizer(OptimizerOptions(**options), steps=10)
    params = np.zeros_like(gradients[0])
    state = tx.init(params)
    for gradient in gradients:
        update, state = tx.update(gradient, state, params)
        yield np.asarray(update)


def test_adam_by_hand():
    gradients = [np.asarray([3.0, -0.01], np.float32), np.asarray([1.0, 0.02], np.float32)]
    options = {"learning_rate": 0.1, "beta1": 0.8, "beta2": 0.99, "epsilon": 1e-3}
    first = second = 0.0
    for step, update in enumerate(updates(gradients, **options), start=1):
        gradient = gradients[step - 1]
        first = 0.8 * first + 0.2 * gradient
        second = 0.99 * second + 0.01 * gradient**2
        root = np.sqrt(second / (1 - 0.99**step))
        expected = -0.1 * first / (1 - 0.8**step) / (root + 1e-3)
        np.testing.assert_allclose(update, expected, rtol=1e-5)


def test_clipping_scales_to_the_global_norm():
    """With a large epsilon Adam's first update is proportional to the gradient."""
    gradient = np.asarray([30.0, 40.0], np.float32)
    small = np.asarray([0.3, 0.4], np.float32)
    options = {"learning_rate": 1.0, "epsilon": 1e6, "clip_norm": 5.0}
    (clipped,) = updates([gradient], **options)
    np.testing.assert_allclose(clipped, -gradient / 10 / 1e6, rtol=1e-4)
    (kept,) = updates([small], **options)
    np.testing.assert_allclose(kept, -small / 1e6, rtol=1e-4)


def test_a_checkpoint_outlives_a_change_of_clipping_and_schedule():
    params = {"a": np.zeros(2, np.float32)}
    choices = [{}, {"clip_norm": 1.0}, {"schedule": "cosine", "warmup_steps": 3}]
    states = [make_optimizer(OptimizerOptions(**c), 10).init(params) for c in choices]
    assert len({jax.tree.structure(state) for state in states}) == 1


@pytest.mark.parametrize("options", [{}, {"warmup_steps": 3, "clip_norm": 0.5}])
def test_the_last_updates_norm_is_read_off_the_state(options):
    options = OptimizerOptions(learning_rate=0.1, schedule="cosine", **options)
    tx = make_optimizer(options, steps=10)
    params = {"a": np.zeros(3, np.float32), "b": np.zeros((), np.float32)}
    state = tx.init(params)
    generator = np.random.default_rng(0)
    for _ in range(4):
        gradient = jax.tree.map(lambda x: generator.standard_normal(x.shape, np.float32), params)
        update, state = tx.update(gradient, state, params)
        expected = np.sqrt(sum(np.sum(np.square(leaf)) for leaf in jax.tree.leaves(update)))
        found = last_update_norm(state, options, 10)
        np.testing.assert_allclose(found, expected, rtol=1e-5, atol=1e-9)
