"""From a config to the typed objects of a run: a ConfigDict goes no further than this."""

import dataclasses
from collections.abc import Mapping
from typing import Any

import ml_collections

from madf_jax.config.options import EvaluationOptions, InitOptions, TrainingOptions
from madf_jax.data.options import ImageOptions, LoaderOptions, MaskOptions
from madf_jax.errors import UserError
from madf_jax.former_keys import explain_former_key
from madf_jax.network import MADF
from madf_jax.objective.supervision import Objective
from madf_jax.options import Option, options_of
from madf_jax.state.optimizer import OptimizerOptions
from madf_jax.state.train_state import AXIS

Plain = dict[str, dict[str, Any]]
"""A config as plain data: values by section and key."""


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


def all_options() -> dict[str, dict[str, Option]]:
    """The options of every key, by section and key."""
    return {name: options_of(section) for name, section in _sections().items()}


def defaults() -> Plain:
    """The values of all keys that `configs/default.py` has."""
    return {
        name: {key: rules.default for key, rules in options.items()}
        for name, options in all_options().items()
    }


def from_config(config: ml_collections.ConfigDict | Mapping[str, Any]) -> Setup:
    """Builds every section.

    Args:
        config: values by section and key; every key must be there.

    Raises:
        UserError: a section or a key is missing or unknown, or a value is not allowed; the message
            names it.
    """
    values = _checked_keys(config)
    sections = {name: make(**values[name]) for name, make in _sections().items() if make != MADF}
    network = {
        key: option.conform(f"network.{key}", values["network"][key])
        for key, option in options_of(MADF).items()
    }
    multiple, size = 2 ** network["depth"], sections["data"].size
    if size % multiple:
        raise UserError(
            f"data.size is {size}; network.depth={network['depth']} needs a multiple of {multiple}"
        )
    synchronized = sections["training"].batch_norm == "synchronized"
    return Setup(network=MADF(**network, axis_name=AXIS if synchronized else None), **sections)


def to_plain(setup: Setup) -> Plain:
    """The values of all keys, as `from_config` takes them."""
    return {
        name: {key: getattr(getattr(setup, name), key) for key in options}
        for name, options in all_options().items()
    }


def _sections() -> dict[str, Any]:
    return {field.name: field.type for field in dataclasses.fields(Setup)}


def _checked_keys(config: Any) -> Plain:
    options = all_options()
    values = _checked_section("config", config, set(options))
    return {
        name: _checked_section(f"config.{name}", values[name], set(keys))
        for name, keys in options.items()
    }


def _checked_section(where: str, section: Any, known: set[str]) -> dict[str, Any]:
    if not isinstance(section, Mapping | ml_collections.ConfigDict):
        raise UserError(f"{where} is {section!r}, not a section; configs/default.py shows its keys")
    given = set(section)
    if unknown := sorted(given - known):
        keys = ", ".join(sorted(known))
        raise UserError(
            explain_former_key(unknown[0])
            or f"{where} has no key {unknown[0]!r}; its keys are {keys}"
        )
    if missing := sorted(known - given):
        raise UserError(f"{where} lacks the key {missing[0]!r}; configs/default.py holds every key")
    return {key: section[key] for key in known}
