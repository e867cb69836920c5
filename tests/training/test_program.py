"""The step compiled from shapes alone."""

import shutil

import jax
import numpy as np
import pytest

from madf_jax.config.sections import create_state, from_config
from madf_jax.training.parallel import data_mesh, replicated
from madf_jax.training.program import (
    abstract_vgg,
    lower_step,
    map_step,
    persistent_compilation_cache,
)
from tests.narrow import narrow_config


def narrow_setup(**changes):
    return from_config(narrow_config(**changes))


@pytest.mark.parametrize("parallel", ["shard_map", "pmap"])
def test_what_is_compiled_from_shapes_takes_the_arrays_of_a_run(parallel, make_batch):
    setup, mesh = narrow_setup(**{"training.parallel": parallel}), data_mesh(jax.devices()[:2])
    mapped = map_step(setup, mesh)
    compiled = lower_step(setup, mesh, mapped, 4).compile()
    image, mask = make_batch(count=4)
    state = create_state(setup, replicated(mesh))
    state, metrics = compiled(state, mapped.to_devices({"image": image, "mask": mask}), None)
    assert int(state.step) == 1
    assert np.isfinite(float(metrics["loss"]))


def test_vggs_variables_have_the_shapes_of_its_weights():
    sharding = jax.sharding.SingleDeviceSharding(jax.devices()[0])
    params = abstract_vgg(sharding)["params"]
    assert params["conv1_1"]["kernel"].shape == (3, 3, 3, 64)
    assert {leaf.sharding for leaf in jax.tree.leaves(params)} == {sharding}


def compile_small(directory):
    """Compiles a program as a new process would, with a cache in `directory`."""
    jax.clear_caches()
    with persistent_compilation_cache(directory):
        jax.config.update("jax_persistent_cache_min_compile_time_secs", 0.0)
        jax.jit(lambda x: x * 3 + 1)(np.ones(3))


def test_programs_are_kept_only_where_and_while_asked(tmp_path):
    before = jax.config.jax_compilation_cache_dir
    with persistent_compilation_cache(None):
        assert jax.config.jax_compilation_cache_dir == before
    compile_small(tmp_path / "compiled")
    assert jax.config.jax_compilation_cache_dir == before
    assert any((tmp_path / "compiled").iterdir())


def test_a_copied_cache_is_used(tmp_path):
    compile_small(tmp_path / "one")
    shutil.copytree(tmp_path / "one", tmp_path / "two")
    before = sorted(path.name for path in (tmp_path / "two").glob("*-cache"))
    assert before
    compile_small(tmp_path / "two")
    assert sorted(path.name for path in (tmp_path / "two").glob("*-cache")) == before
