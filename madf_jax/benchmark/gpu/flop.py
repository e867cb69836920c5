"""Arithmetic of the programs as they are lowered for a GPU, counted on a CPU.

XLA doesn't count what it has compiled for a GPU, since cuDNN's convolutions are opaque to it.
"""

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor, wait

import jax
import jax.numpy as jnp
import numpy as np

from madf_jax.benchmark.gpu.series import What
from madf_jax.benchmark.programs import train_setup
from madf_jax.network import MADF
from madf_jax.state.train_state import init_variables
from madf_jax.training.parallel import data_mesh
from madf_jax.training.program import make_program

_DTYPE = "bfloat16"  # the count is the same for float32


class FlopCounts:
    """Counts of several programs, made one after another by a thread meanwhile.

    JAX's default device must be a CPU.

    Args:
        subjects: what and size, pixels, in this order.
    """

    def __init__(self, subjects: Iterable[tuple[What, int]]) -> None:
        self._thread = ThreadPoolExecutor(1)
        self._counts = {subject: self._thread.submit(_count, *subject) for subject in subjects}

    def get(self, what: What, size: int, batch: int) -> float | None:
        """Floating-point operations of a run with so many images; None if not yet counted."""
        future = self._counts[what, size]
        if not future.done() or future.cancelled():
            return None
        one, two = future.result()
        return one + (batch - 1) * (two - one)

    def finish(self, seconds: float) -> None:
        """Waits for at most so long."""
        wait(self._counts.values(), timeout=seconds)
        self._thread.shutdown(wait=False, cancel_futures=True)


def _count(what: What, size: int) -> tuple[float, float]:
    """For one image and for two."""
    trace = _trace_training if what == "train" else _trace_network
    lowered = [trace(size, batch).lower(lowering_platforms=("cuda",)) for batch in (1, 2)]
    one, two = (float((each.cost_analysis() or {}).get("flops", 0.0)) for each in lowered)
    return one, two


def _trace_network(size: int, batch: int) -> jax.stages.Traced:
    network = MADF(dtype=_DTYPE)
    variables = jax.eval_shape(lambda: init_variables(network, jax.random.key(0)))
    image = jax.ShapeDtypeStruct((batch, size, size, 3), jnp.float32)
    mask = jax.ShapeDtypeStruct((batch, size, size, 1), np.uint8)
    apply = jax.jit(lambda v, x, m: network.apply(v, x, m, train=False))
    return apply.trace(variables, image, mask)


def _trace_training(size: int, batch: int) -> jax.stages.Traced:
    program = make_program(train_setup(size, batch, _DTYPE), data_mesh(jax.local_devices()[:1]))
    shapes = {"image": (batch, size, size, 3), "mask": (batch, size, size, 1)}
    arrays = {name: jax.ShapeDtypeStruct(shape, np.uint8) for name, shape in shapes.items()}
    return program.mapped.step.trace(
        program.abstract_state(), program.mapped.abstract(arrays), None
    )
