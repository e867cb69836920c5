"""The step that is compared is the step that trains, and a fault in it is found."""

import dataclasses
import functools

import jax
import pytest
from jax import lax

from madf_jax.parity import training
from madf_jax.parity.recorded import compare_case
from madf_jax.state.optimizer import OptimizerOptions
from madf_jax.training import step
from madf_jax.training.step import train_step


def nothing(monkeypatch):
    pass


def keep_statistics(monkeypatch):
    def faulty(state, *arguments, **options):
        after, metrics = train_step(state, *arguments, **options)
        return after.replace(batch_stats=state.batch_stats), metrics

    monkeypatch.setattr(training, "train_step", faulty)


def sum_over_devices(monkeypatch):
    def faulty(tree):
        return jax.tree.map(lambda x: lax.psum(x, step.AXIS) if x.dtype.kind == "f" else x, tree)

    monkeypatch.setattr(step, "_mean_over_devices", faulty)


def forget_faster(monkeypatch):
    options = functools.partial(OptimizerOptions, beta1=0.8)
    monkeypatch.setattr(training, "OptimizerOptions", options)


@pytest.fixture(scope="module")
def steps_only(small_arrays, small_case):
    kept = ("train/grad/", "train/loss_", "train/batch_stats/", "train/param_delta_norm/")
    arrays = {key: value for key, value in small_arrays.items() if key.startswith(kept)}
    return dataclasses.replace(small_case, arrays=arrays)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("fault", "failing"),
    [
        (nothing, set()),
        (keep_statistics, {"running statistics"}),
        (sum_over_devices, {"gradient", "Adam step", "running statistics", "movement"}),
        # The first step's direction does not depend on it, nor do the losses of two steps.
        (forget_faster, {"movement"}),
    ],
)
def test_a_fault_in_the_training_step_fails_by_group(
    steps_only, small_weights, monkeypatch, fault, failing
):
    fault(monkeypatch)
    deviations = compare_case(steps_only, small_weights, "float64", jax.devices()[:2])
    assert {one.group for one in deviations if not one.passed} == failing
