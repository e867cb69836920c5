"""Runs that begin with converted weights."""

import dataclasses
import re

import jax
import numpy as np
import optax
import pytest

from madf_jax.errors import UserError
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer
from madf_jax.state.train_state import TrainState
from madf_jax.training.warm_start import warm_start
from madf_jax.weights import Weights
from madf_jax.weights.adam import Adam


@pytest.fixture
def make_fresh(make_network, make_variables):
    def make(refinements, *, keep_ema=False, **changes):
        variables = make_variables(make_network(refinements=refinements, **changes), seed=1)
        return TrainState.create(
            variables, make_optimizer(OptimizerOptions(), 10), keep_ema=keep_ema
        )

    return make


@pytest.fixture
def weights(make_network, make_variables):
    """Of a network with one refinement decoder, after 70 steps."""
    network = make_network(refinements=1)
    variables = make_variables(network, seed=2)
    moments = (jax.tree.map(np.ones_like, variables["params"]) for _ in range(2))
    return Weights(network, **variables, step=70, adam=Adam(*moments, count=70))


def equal(one, other):
    return jax.tree.all(jax.tree.map(np.array_equal, one, other))


def adam_of(state):
    (adam,) = (part for part in state.opt_state if isinstance(part, optax.ScaleByAdamState))
    return adam


def test_the_same_network_takes_everything_and_counts_its_own_steps(make_fresh, weights, log_lines):
    state = warm_start(make_fresh(1, keep_ema=True), weights, optimizer=True)
    assert equal(state.params, weights.params)
    assert equal(state.batch_stats, weights.batch_stats)
    assert equal(state.ema, weights.params)
    assert equal(adam_of(state).mu, weights.adam.mu)
    assert (int(adam_of(state).count), int(state.step)) == (70, 0)
    schedule = state.opt_state[-1]
    assert int(jax.tree.leaves(schedule)[0]) == 0
    assert log_lines == ["init.weights: with Adam's moments after 70 updates"]


def test_a_new_average_begins_with_the_parameters(make_fresh, weights, log_lines):
    average = jax.tree.map(np.zeros_like, weights.params)
    averaged = dataclasses.replace(weights, ema=average)
    state = warm_start(make_fresh(1, keep_ema=True), averaged, optimizer=False)
    assert equal(state.ema, weights.params)
    assert log_lines == [
        "init.weights: the file's averaged weights are dropped; averaging restarts"
    ]


def test_adams_moments_can_be_left_behind(make_fresh, weights):
    state = warm_start(make_fresh(1), weights, optimizer=False)
    assert equal(adam_of(state), adam_of(make_fresh(1)))
    assert state.ema is None


@pytest.mark.parametrize(
    ("refinements", "taken", "message"),
    [
        (
            3,
            ["refinement_decoder_0"],
            "refinement_decoder_1, refinement_decoder_2: not in the file",
        ),
        (0, [], "refinement_decoder_0: not in this network"),
    ],
)
def test_another_number_of_decoders(make_fresh, weights, log_lines, refinements, taken, message):
    fresh = make_fresh(refinements)
    state = warm_start(fresh, weights, optimizer=True)
    for name, params in state.params.items():
        source = weights if name in ("encoder", "recovery_decoder", *taken) else fresh
        assert equal(params, source.params[name]), name
    # Moments of some parameters only would make Adam's first steps uneven.
    assert equal(adam_of(state), adam_of(fresh))
    assert message in log_lines[0]
    assert "Adam's moments are dropped" in log_lines[1]


@pytest.mark.parametrize("changes", [{"norm_hidden": 5}, {"depth": 4}, {"widths": (4, 8)}])
def test_another_network_is_refused_by_name(make_fresh, weights, changes):
    with pytest.raises(UserError, match=re.escape("params/")):
        warm_start(make_fresh(1, **changes), weights, optimizer=True)
