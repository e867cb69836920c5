"""The step compiled from shapes alone."""

import shutil

import jax
import numpy as np
import pytest

from madf_jax.config.sections import from_config
from madf_jax.training.parallel import data_mesh
from madf_jax.training.program import (
    abstract_vgg,
    make_program,
    persistent_compilation_cache,
)
from tests.narrow import narrow_config


@pytest.mark.parametrize("parallel", ["shard_map", "pmap"])
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
