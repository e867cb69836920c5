"""The state before the first step, from shapes alone or computed on devices."""

import jax
import optax
from jax.sharding import Sharding

from madf_jax.memory import return_freed
from madf_jax.network import MADF
from madf_jax.state.train_state import TrainState, init_variables


def abstract_state(
    network: MADF, tx: optax.GradientTransformation, *, keep_ema: bool, sharding: Sharding
) -> TrainState:
    """Shapes and dtypes of the state, placed as `sharding` says; nothing is computed."""
    variables = jax.eval_shape(lambda: init_variables(network, jax.random.key(0)))
    state = jax.eval_shape(lambda v: TrainState.create(v, tx, keep_ema=keep_ema), variables)
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding), state
    )


def create_state(
    network: MADF,
    tx: optax.GradientTransformation,
    seed: int,
    *,
    keep_ema: bool,
    sharding: Sharding,
) -> TrainState:
    """The state with parameters drawn by `seed`, computed where `sharding` says."""
    # Hundreds of random arrays, each computed once: optimizing their program takes longer than
    # running it.
    options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    # In two programs: what makes random numbers is freed before the optimizer's state is allocated.
    variables = jax.jit(
        lambda: init_variables(network, jax.random.key(seed)),
        out_shardings=sharding,
        compiler_options=options,
    )()
    state = jax.jit(
        lambda variables: TrainState.create(variables, tx, keep_ema=keep_ema),
        out_shardings=sharding,
        donate_argnums=0,
    )(variables)
    del variables
    jax.block_until_ready(state)
    return_freed()
    return state
