"""The step compiled from shapes alone."""

import jax
import numpy as np
import pytest

from madf_jax.config.sections import from_config
from madf_jax.training.parallel import data_mesh
from madf_jax.training.program import abstract_vgg, make_program
from tests.narrow import narrow_config


@pytest.mark.slow
@pytest.mark.parametrize("parallel", ["pmap", "shard_map"])
def test_what_is_compiled_from_shapes_takes_the_arrays_of_a_run(parallel, make_batch):
    setup = from_config(narrow_config(**{"training.parallel": parallel}))
    program = make_program(setup, data_mesh(jax.devices()[:2]))
    compiled = program.lower(4).compile()
    image, mask = make_batch(count=4)
    batch = program.mapped.to_devices({"image": image, "mask": mask})
    state, metrics = compiled(program.create_state(), batch, None)
    assert int(state.step) == 1
    assert np.isfinite(float(metrics["loss"]))


@pytest.mark.parametrize(("decay", "keep"), [(0.9, True), (0.0, False)])
def test_an_average_is_kept_for_a_decay(decay, keep):
    setup = from_config(narrow_config(**{"training.ema_decay": decay}))
    state = make_program(setup, data_mesh(jax.devices()[:1])).abstract_state()
    assert (state.ema is not None) == keep


def test_vggs_variables_have_the_shapes_of_its_weights():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    params = abstract_vgg(sharding)["params"]
    assert params["conv1_1"]["kernel"].shape == (3, 3, 3, 64)
    assert {leaf.sharding for leaf in jax.tree.leaves(params)} == {sharding}
