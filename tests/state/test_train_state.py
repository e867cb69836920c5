"""The state that training carries, and how it begins."""

import jax
import numpy as np
import pytest

from madf_jax.state.initial import abstract_state, create_state
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer
from madf_jax.state.train_state import TrainState
from tests.trees import assert_identical

TX = make_optimizer(OptimizerOptions(), 10)
VARIABLES = {"params": {"a": np.ones(3, np.float32)}, "batch_stats": {"mean": np.zeros(2)}}


def test_a_state_begins_with_its_variables_and_nothing_else():
    state = TrainState.create(VARIABLES, TX, keep_ema=True)
    assert state.params is VARIABLES["params"]
    assert state.batch_stats is VARIABLES["batch_stats"]
    assert_identical(state.ema, VARIABLES["params"])
    assert state.ema["a"] is not state.params["a"]  # donated as one, neither could be
    assert [int(state.step), int(state.skipped), int(state.skipped_in_row)] == [0, 0, 0]
    assert_identical(state.opt_state, TX.init(VARIABLES["params"]))


def test_without_an_average_none_is_kept():
    assert TrainState.create(VARIABLES, TX, keep_ema=False).ema is None


def test_the_averaged_parameters_paint_if_there_are_any():
    state = TrainState.create(VARIABLES, TX, keep_ema=False)
    assert state.inference_variables["params"] is state.params
    averaged = state.replace(ema="average")
    assert averaged.inference_variables == {"params": "average", "batch_stats": state.batch_stats}


@pytest.mark.parametrize("keep_ema", [True, False])
def test_the_abstract_state_is_the_created_one_without_its_arrays(make_network, keep_ema):
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[1])
    network = make_network(refinements=0)
    abstract = abstract_state(network, TX, keep_ema=keep_ema, sharding=sharding)
    created = create_state(network, TX, 3, keep_ema=keep_ema, sharding=sharding)
    assert jax.tree.structure(abstract) == jax.tree.structure(created)
    for shape, array in zip(jax.tree.leaves(abstract), jax.tree.leaves(created), strict=True):
        assert (shape.shape, shape.dtype) == (array.shape, array.dtype)
        assert shape.sharding == array.sharding == sharding


@pytest.mark.slow
def test_the_seed_decides_over_the_parameters(make_network):
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])

    def kernel(seed):
        network = make_network(refinements=0)
        state = create_state(network, TX, seed, keep_ema=False, sharding=sharding)
        return np.asarray(jax.tree.leaves(state.params)[-1])

    np.testing.assert_array_equal(kernel(3), kernel(3))
    assert (kernel(3) != kernel(4)).any()
