"""From a config to the typed objects of a run: the door at which ConfigDict stops."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import jax
import ml_collections

from madf_jax.config.options import EvaluationOptions, InitOptions, TrainingOptions
from madf_jax.data.options import ImageOptions, LoaderOptions, MaskOptions
from madf_jax.errors import UserError
from madf_jax.memory import return_freed
from madf_jax.network import MADF
from madf_jax.objective.supervision import Objective
from madf_jax.state.optimizer import OptimizerOptions, make_optimizer
from madf_jax.state.train_state import AXIS, TrainState, begin, init_variables, make_state

# Arguments of MADF that no user sets: the first follows from `training.batch_norm`, linen's
# machinery sets the others.
_NOT_KEYS = {"axis_name", "parent", "name"}
# Averages of parameters and of squared gradients move by less than bfloat16 can tell.
_DTYPES = {"dtype": ("float32", "bfloat16"), "param_dtype": ("float32",)}


@dataclasses.dataclass(frozen=True)
class Setup:
    """The sections of a config, each as its constructor makes it."""

    network: MADF
    objective: Objective
    data: ImageOptions
    masks: MaskOptions
    loader: LoaderOptions
    optimizer: OptimizerOptions
    init: InitOptions
    training: TrainingOptions
    evaluation: EvaluationOptions


def from_config(config: ml_collections.ConfigDict) -> Setup:
    """Builds every section.

    Raises:
        UserError: a section or a key is missing or unknown, or a value is out of range; the message
        names it.
    """
    check_keys(config)
    sections = {
        name: constructor(**config[name])
        for name, constructor in _constructors().items()
        if name != "network"
    }
    synchronized = sections["training"].batch_norm == "synchronized"
    network = MADF(**config.network, axis_name=AXIS if synchronized else None)
    _check_network(network, sections["data"])
    return Setup(network=network, **sections)


def to_plain(setup: Setup) -> dict[str, dict[str, Any]]:
    """The keys and values of every section, as `from_config` takes them."""
    return {
        section.name: {
            field.name: getattr(getattr(setup, section.name), field.name)
            for field in dataclasses.fields(section.type)  # type: ignore[arg-type]
            if field.name not in _NOT_KEYS
        }
        for section in dataclasses.fields(setup)
    }


def check_keys(config: ml_collections.ConfigDict) -> None:
    """Whether a config has every section and key, and no other.

    Raises:
        UserError: it has not; the message names the first.
    """
    _compare_keys("config", config, set(_constructors()))
    for name, constructor in _constructors().items():
        keys = {field.name for field in dataclasses.fields(constructor)} - _NOT_KEYS
        _compare_keys(f"config.{name}", config[name], keys)


def initial_state(setup: Setup) -> TrainState:
    """The state before the first step, as the config seeds it."""
    tx = make_optimizer(setup.optimizer, setup.training.steps)
    key = jax.random.key(setup.training.seed)
    return make_state(setup.network, tx, key, keep_ema=setup.training.ema_decay > 0)


def create_state(setup: Setup, sharding: jax.sharding.Sharding) -> TrainState:
    """Computes `initial_state` where `sharding` says."""
    state = _create_state(setup, sharding)
    # Only now are the programs that computed it gone, too.
    return_freed()
    return state


def _create_state(setup: Setup, sharding: jax.sharding.Sharding) -> TrainState:
    # Hundreds of random arrays, each computed once: optimizing their program takes longer than
    # running it.
    options = {"xla_backend_optimization_level": 0} if jax.default_backend() == "cpu" else None
    tx = make_optimizer(setup.optimizer, setup.training.steps)
    keep_ema = setup.training.ema_decay > 0
    key = jax.random.key(setup.training.seed)
    create = jax.jit(
        lambda: init_variables(setup.network, key),
        out_shardings=sharding,
        compiler_options=options,
    )
    # In two programs: what makes random numbers is freed before the optimizer's state is allocated.
    start = jax.jit(
        lambda variables: begin(variables, tx, keep_ema=keep_ema),
        out_shardings=sharding,
        donate_argnums=0,
    )
    return jax.block_until_ready(start(create()))


def abstract_state(setup: Setup, sharding: jax.sharding.Sharding) -> TrainState:
    """Shapes and dtypes of the state, placed as `sharding` says; nothing is computed."""
    return jax.tree.map(
        lambda leaf: jax.ShapeDtypeStruct(leaf.shape, leaf.dtype, sharding=sharding),
        jax.eval_shape(lambda: initial_state(setup)),
    )


def _constructors() -> dict[str, Any]:
    return {field.name: field.type for field in dataclasses.fields(Setup)}


def _compare_keys(where: str, section: Any, known: set[str]) -> None:
    if not isinstance(section, Mapping | ml_collections.ConfigDict):
        raise UserError(f"{where} is {section!r}, no section; configs/default.py shows its keys")
    given = set(section)
    if unknown := sorted(given - known):
        raise UserError(
            f"{where} has no key {unknown[0]!r}; its keys are {', '.join(sorted(known))}"
        )
    if missing := sorted(known - given):
        raise UserError(f"{where} lacks the key {missing[0]!r}; configs/default.py holds every key")


def _check_network(network: MADF, data: ImageOptions) -> None:
    for name, dtypes in _DTYPES.items():
        if getattr(network, name) not in dtypes:
            allowed = " or ".join(map(repr, dtypes))
            raise UserError(f"network.{name} is {getattr(network, name)!r}; use {allowed}")
    try:
        jax.eval_shape(lambda: init_variables(network, jax.random.key(0)))
    except (ValueError, TypeError) as error:
        raise UserError(f"config.network: {error}") from error
    step = 2**network.depth
    if data.size % step:
        raise UserError(
            f"data.size is {data.size}; network.depth={network.depth} needs a multiple of {step}"
        )
