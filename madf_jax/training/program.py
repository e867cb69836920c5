"""The training step of a run as a program: made from shapes alone, before anything is allocated."""

import functools
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import jax
import numpy as np
from absl import logging
from jax.experimental.compilation_cache import compilation_cache
from jax.sharding import Mesh

from madf_jax.config.sections import Setup, abstract_state
from madf_jax.features.vgg import VGG16
from madf_jax.memory import return_freed
from madf_jax.state.optimizer import make_optimizer
from madf_jax.training.parallel import Mapped, parallelize, replicated
from madf_jax.training.step import train_step


def map_step(setup: Setup, mesh: Mesh) -> Mapped:
    """The step that a config describes, over the devices of `mesh`.

    Raises:
        UserError: as `parallelize`.
    """
    step = functools.partial(
        train_step,
        network=setup.network,
        objective=setup.objective,
        tx=make_optimizer(setup.optimizer, setup.training.steps),
        vgg=VGG16(dtype=setup.network.dtype),
        ema_decay=setup.training.ema_decay,
        accumulate=setup.training.accumulate_steps,
    )
    return parallelize(step, mesh, setup.training.parallel)


def lower_step(setup: Setup, mesh: Mesh, mapped: Mapped, batch_size: int) -> jax.stages.Lowered:
    """The traced step for batches of so many images over all devices; `.compile()` compiles it.

    The devices of `mesh` need not be here: those of a topology will do.
    """
    sharding = replicated(mesh)
    side = setup.data.size
    shapes = {"image": (batch_size, side, side, 3), "mask": (batch_size, side, side, 1)}
    batch = {name: jax.ShapeDtypeStruct(shape, np.uint8) for name, shape in shapes.items()}
    vgg = abstract_vgg(sharding) if setup.objective.needs_vgg else None
    return mapped.step.lower(abstract_state(setup, sharding), mapped.abstract(batch), vgg)


def abstract_vgg(sharding: jax.sharding.Sharding) -> Any:
    """Shapes of VGG-16's variables, placed as `sharding` says."""
    image = jax.ShapeDtypeStruct((1, 8, 8, 3), np.float32)
    shapes = jax.eval_shape(VGG16().init, jax.random.key(0), image)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes
    )


def compiled_step(setup: Setup, mesh: Mesh, mapped: Mapped) -> Any:
    """The compiled step for the config's batches; the log tells its time, work and memory."""
    logging.info("Compiling the training step")
    start = time.perf_counter()
    compiled = lower_step(setup, mesh, mapped, setup.training.batch_size).compile()
    return_freed()
    seconds = time.perf_counter() - start
    cost, memory = compiled.cost_analysis() or {}, compiled.memory_analysis()
    logging.info(
        "Compiled the step in %.1f s: %.1f GFLOP and %.0f MB of temporaries on each device",
        seconds,
        cost.get("flops", 0.0) / 1e9,
        (memory.temp_size_in_bytes if memory else 0) / 1e6,
    )
    return compiled


@contextmanager
def persistent_compilation_cache(directory: Path | None) -> Iterator[None]:
    """Keeps what is compiled meanwhile in a directory, and looks for it there first.

    Args:
        directory: made if need be; it may be moved or copied. None leaves JAX's own settings as
            they are.
    """
    if directory is None:
        yield
        return
    settings = {
        "jax_compilation_cache_dir": str(directory.absolute()),
        "jax_persistent_cache_min_compile_time_secs": 1.0,
        "jax_persistent_cache_min_entry_size_bytes": -1,
        # Else caches of XLA lie in the directory, too, and its path becomes a part of every key.
        "jax_persistent_cache_enable_xla_caches": None,
    }
    before = {name: getattr(jax.config, name) for name in settings}
    for name, value in settings.items():
        jax.config.update(name, value)
    compilation_cache.reset_cache()
    try:
        yield
    finally:
        for name, value in before.items():
            jax.config.update(name, value)
        compilation_cache.reset_cache()
