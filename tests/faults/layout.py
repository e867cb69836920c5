"""Short trainings on so many processes and devices, whose ends are written down.

Started by `test_layouts.py` as `python layout.py PORT PROCESSES INDEX OUT WAY ...`.
"""

import functools
import sys
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).parents[2]))

import jax
import numpy as np
import optax

from madf_jax.data.options import ImageOptions, LoaderOptions, MaskOptions
from madf_jax.data.pipeline import iterate, training_data
from madf_jax.features.vgg import VGG16
from madf_jax.network import MADF
from madf_jax.objective.supervision import Objective
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer
from madf_jax.state.train_state import AXIS, TrainState
from madf_jax.training.parallel import data_mesh, parallelize, replicated
from madf_jax.training.step import train_step

STEPS, BATCH = 5, 4
WAYS = {
    "SGD": ("synchronized", "float32", optax.sgd(0.02)),
    "SGD per device": ("per_device", "float32", optax.sgd(0.02)),
    "Adam": (
        "synchronized",
        "float64",
        make_optimizer(OptimizerOptions(learning_rate=1e-3), STEPS),
    ),
}
SIZES = {"widths": (4, 6), "skip_widths": (6, 8), "mask_width": 3, "norm_hidden": 4}


def variables_by_rule(network: MADF, dtype: str) -> dict[str, Any]:
    """Variables of a fresh network, from NumPy's random numbers."""
    image = jax.ShapeDtypeStruct((1, 16, 16, 3), np.float32)
    mask = jax.ShapeDtypeStruct((1, 16, 16, 1), np.float32)
    shapes = jax.eval_shape(
        functools.partial(network.init, train=True), jax.random.key(0), image, mask
    )
    generator = np.random.default_rng(0)

    def fill(path: Any, leaf: jax.ShapeDtypeStruct) -> np.ndarray:
        if path[-1].key == "kernel":
            scale = np.sqrt(2 / np.prod(leaf.shape[:-1]))
            return (scale * generator.standard_normal(leaf.shape)).astype(leaf.dtype)
        return np.full(leaf.shape, path[-1].key in ("scale", "var"), leaf.dtype)

    return jax.tree_util.tree_map_with_path(fill, shapes)


def end_of_training(batch_norm: str, tx: optax.GradientTransformation, dtype: str) -> dict:
    """Parameters and statistics after five steps on the same global batches, by name."""
    network = MADF(
        depth=3,
        refinements=0,
        axis_name=AXIS if batch_norm == "synchronized" else None,
        dtype=dtype,
        param_dtype=dtype,
        **SIZES,
    )
    data = training_data(
        ImageOptions(size=16, resize_min=18, resize_max=64),
        MaskOptions(),
        seed=3,
        batch_size=BATCH,
        process_index=jax.process_index(),
        process_count=jax.process_count(),
    )
    step = functools.partial(
        train_step,
        network=network,
        objective=Objective(perceptual=0, style=0),
        tx=tx,
        vgg=VGG16(),
        ema_decay=0.0,
    )
    mesh = data_mesh()
    mapped = parallelize(step, mesh, "shard_map")
    # Without a program: most of the time here goes into compiling.
    variables = variables_by_rule(network, dtype)
    begin = TrainState.create(variables, tx, keep_ema=False)
    state = jax.device_put(begin, replicated(mesh))
    batches = iterate(data.dataset, LoaderOptions(num_threads=1))
    for _ in range(STEPS):
        state, _ = mapped.step(state, mapped.to_devices(next(batches)), None)
    leaves = jax.tree_util.tree_leaves_with_path((state.params, state.batch_stats))
    return {jax.tree_util.keystr(path): np.asarray(leaf) for path, leaf in leaves}


def main(port: str, processes: str, index: str, out: str, *ways: str) -> None:
    """Trains in each of `WAYS` that is named, and writes the ends of all to `out`."""
    if int(processes) > 1:
        jax.distributed.initialize(f"localhost:{port}", int(processes), int(index))
    ends = {}
    for way in ways:
        batch_norm, dtype, tx = WAYS[way]
        with jax.enable_x64(dtype == "float64"):
            end = end_of_training(batch_norm, tx, dtype)
        ends.update({f"{way}/{name}": leaf for name, leaf in end.items()})
    if index == "0":
        np.savez(out, **ends)


if __name__ == "__main__":
    main(*sys.argv[1:])
