"""The programs that are measured, compiled and with their inputs."""

import dataclasses
from collections.abc import Callable
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from madf_jax.compiler import Costs, compile_counted
from madf_jax.config.options import EvaluationOptions, InitOptions, TrainingOptions
from madf_jax.config.sections import Setup
from madf_jax.data.options import ImageOptions, LoaderOptions, MaskOptions
from madf_jax.data.strokes import StrokesAndBoxes
from madf_jax.memory import return_freed
from madf_jax.network import MADF, normalize
from madf_jax.network.dynamic_filtering import filter_by_windows, filter_factored
from madf_jax.objective.supervision import Objective
from madf_jax.state.optimizer import OptimizerOptions
from madf_jax.state.train_state import init_variables
from madf_jax.training.parallel import data_mesh
from madf_jax.training.program import make_program

OBJECTIVE = Objective(perceptual=0, style=0)
"""Reconstruction and total variation, the terms without VGG-16."""


@dataclasses.dataclass(frozen=True)
class Program:
    """A compiled program that can be run again and again.

    Attributes:
        run: runs it once.
        costs: as the compiler counts them.
    """

    run: Callable[[], Any]
    costs: Costs


def inputs(size: int, batch: int) -> tuple[np.ndarray, np.ndarray]:
    """Images uint8 (N, S, S, 3) and masks uint8 (N, S, S, 1), 1 = known; always the same."""
    rng = np.random.default_rng(0)
    draw = StrokesAndBoxes()
    image = rng.integers(0, 256, (batch, size, size, 3), np.uint8)
    return image, np.stack([draw(rng, size) for _ in range(batch)])


def network_program(size: int, batch: int, dtype: str) -> Program:
    """Inference of the published network."""
    network = MADF(dtype=dtype)
    image, mask = inputs(size, batch)
    variables = jax.jit(lambda: init_variables(network, jax.random.key(0)))()
    arrays = (variables, normalize(jnp.asarray(image)), jnp.asarray(mask))
    return _program(lambda v, x, m: network.apply(v, x, m, train=False), arrays)


def dynamic_filter_program(form: str, size: int, batch: int, dtype: str) -> Program:
    """Dynamic filtering of the first level: 7x7 windows, 6 channels in, 16 out.

    Args:
        form: 'factored' or 'patches'.
        size: side of the image.
        batch: images.
        dtype: of everything.
    """
    rng = np.random.default_rng(0)
    shapes = [(batch, size, size, 6), (batch, size // 2, size // 2, 16)]
    arrays = [rng.standard_normal(shape) for shape in (*shapes, (7, 7, 6, 16, 16), (7, 7, 6, 16))]
    forms = {"factored": filter_factored, "patches": filter_by_windows}
    return _program(forms[form], [jnp.asarray(array, dtype) for array in arrays])


def train_program(setup: Setup) -> Program:
    """The training step of a config, with its state and one batch that every run repeats."""
    program = make_program(setup, data_mesh(jax.local_devices()[:1]))
    compiled, costs = compile_counted(lambda: program.lower(setup.training.batch_size))
    return_freed()
    state = program.create_state()
    image, mask = inputs(setup.data.size, setup.training.batch_size)
    batch = program.mapped.to_devices({"image": image, "mask": mask})

    def run() -> Any:
        nonlocal state
        state, metrics = compiled(state, batch, None)
        return state, metrics

    return Program(run, costs)


def train_setup(size: int, batch: int, dtype: str) -> Setup:
    """The published network and Adam, with `OBJECTIVE`."""
    return Setup(
        network=MADF(dtype=dtype),
        objective=OBJECTIVE,
        data=ImageOptions(size=size, resize_min=size, resize_max=size),
        masks=MaskOptions(),
        loader=LoaderOptions(),
        optimizer=OptimizerOptions(),
        init=InitOptions(),
        training=TrainingOptions(batch_size=batch),
        evaluation=EvaluationOptions(),
    )


def _program(function: Callable[..., Any], arrays: Any) -> Program:
    compiled, costs = compile_counted(lambda: jax.jit(function).lower(*arrays))
    return Program(lambda: compiled(*arrays), costs)
