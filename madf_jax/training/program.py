"""The training step of a run as a program: made from shapes alone, before anything is allocated."""

import dataclasses
import functools
from typing import Any

import jax
import numpy as np
import optax
from absl import logging
from jax.sharding import Mesh

from madf_jax.compiler import compile_counted
from madf_jax.config.sections import Setup
from madf_jax.features.vgg import VGG16
from madf_jax.memory import return_freed
from madf_jax.state.initial import abstract_state, create_state
from madf_jax.state.optimizer import make_optimizer
from madf_jax.state.train_state import TrainState
from madf_jax.training.parallel import Mapped, parallelize, replicated
from madf_jax.training.step import train_step


@dataclasses.dataclass(frozen=True)
class Program:
    """The training step of a config over the devices of a mesh, and the state that it takes.

    Attributes:
        setup: the sections of the config.
        mesh: the devices. To compile for, they need not be here: those of a topology will do.
        tx: the optimizer.
        mapped: the step over all devices.
    """

    setup: Setup
    mesh: Mesh
    tx: optax.GradientTransformation
    mapped: Mapped

    @property
    def keep_ema(self) -> bool:
        """Whether the state holds an average of the parameters."""
        return self.setup.training.ema_decay > 0

    def abstract_state(self) -> TrainState:
        """Shapes, dtypes and shardings of the state; nothing is computed."""
        sharding = replicated(self.mesh)
        network = self.setup.network
        return abstract_state(network, self.tx, keep_ema=self.keep_ema, sharding=sharding)

    def create_state(self) -> TrainState:
        """The state before the first step, on all devices, as the config seeds it."""
        sharding, seed = replicated(self.mesh), self.setup.training.seed
        network = self.setup.network
        return create_state(network, self.tx, seed, keep_ema=self.keep_ema, sharding=sharding)

    def lower(self, batch_size: int) -> jax.stages.Lowered:
        """The traced step for batches of so many images over all devices."""
        side = self.setup.data.size
        shapes = {"image": (batch_size, side, side, 3), "mask": (batch_size, side, side, 1)}
        batch = {name: jax.ShapeDtypeStruct(shape, np.uint8) for name, shape in shapes.items()}
        needs_vgg = self.setup.objective.needs_vgg
        vgg = abstract_vgg(replicated(self.mesh)) if needs_vgg else None
        return self.mapped.step.lower(self.abstract_state(), self.mapped.abstract(batch), vgg)


def make_program(setup: Setup, mesh: Mesh) -> Program:
    """The program that a config describes, over the devices of `mesh`.

    Raises:
        UserError: as `parallelize`.
    """
    tx = make_optimizer(setup.optimizer, setup.training.steps)
    step = functools.partial(
        train_step,
        network=setup.network,
        objective=setup.objective,
        tx=tx,
        vgg=VGG16(dtype=setup.network.dtype),
        ema_decay=setup.training.ema_decay,
        accumulate=setup.training.accumulate_steps,
    )
    return Program(setup, mesh, tx, parallelize(step, mesh, setup.training.parallel))


def abstract_vgg(sharding: jax.sharding.Sharding) -> Any:
    """Shapes of VGG-16's variables, placed as `sharding` says."""
    image = jax.ShapeDtypeStruct((1, 8, 8, 3), np.float32)
    shapes = jax.eval_shape(VGG16().init, jax.random.key(0), image)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), shapes
    )


def compile_step(program: Program) -> Any:
    """The compiled step for the config's batches; logs its time, work and memory."""
    logging.info("Compiling the training step")
    compiled, costs = compile_counted(lambda: program.lower(program.setup.training.batch_size))
    return_freed()
    logging.info(
        "Compiled the step in %.1f s: %.1f GFLOP and %.0f MB of temporaries on each device",
        costs.seconds,
        costs.flop / 1e9,
        costs.temporaries / 1e6,
    )
    return compiled
