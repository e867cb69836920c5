"""What the weights of a run need of its `config.json`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from madf_jax.errors import UserError
from madf_jax.files import read_json, system_errors
from madf_jax.former_keys import use_current_keys
from madf_jax.network import MADF
from madf_jax.weights.checks import Shape, compare_shapes, error_context
from madf_jax.weights.description import (
    ARGUMENTS,
    described_network,
    infer_network,
    network_shapes,
)

_LARGEST = 2**20  # bytes
_ADAM = {"learning_rate": "learning_rate", "b1": "beta1", "b2": "beta2", "eps": "epsilon"}
# How the weights came about. The other sections are about where and how fast that was computed.
_SECTIONS = ("objective", "data", "masks", "optimizer", "training")
# Where things are on one machine is no one else's business.
_PLACES = ("_path", "_dir")


@dataclasses.dataclass(frozen=True)
class RunConfig:
    """A run's config, or none.

    Attributes:
        path: where it is, or would be.
        sections: by name; None without a file.
    """

    path: Path
    sections: Mapping[str, Any] | None

    def network(self, shapes: Mapping[str, Shape]) -> MADF:
        """The network that the config describes; without one, it is inferred.

        Args:
            shapes: of the checkpoint's `params` and `batch_stats`, by path.

        Raises:
            UserError: the config describes another network, or none.
        """
        if self.sections is None:
            network = infer_network(shapes)
            compare_shapes(shapes, network_shapes(network))
            return network
        with error_context(self.path):
            section = self._section("network")
            network = described_network({key: section[key] for key in ARGUMENTS if key in section})
            try:
                compare_shapes(shapes, network_shapes(network))
            except UserError as error:
                raise UserError(
                    f"describes another network than the checkpoint's ({error}); move it away, and "
                    "the network is inferred"
                ) from None
            return network

    @property
    def adam_settings(self) -> dict[str, float]:
        """Arguments of `Adam`; without a config none, so that its defaults hold.

        Raises:
            UserError: the config has no such settings.
        """
        if self.sections is None:
            return {}
        with error_context(self.path):
            section = self._section("optimizer")
            try:
                return {ours: float(section[key]) for ours, key in _ADAM.items()}
            except (KeyError, TypeError, ValueError):
                raise UserError("holds no settings of Adam; fix it or move it away") from None

    @property
    def metadata(self) -> dict[str, Any]:
        """For `Weights.metadata`: how the weights were trained."""
        if self.sections is None:
            return {}
        kept = {name: self.sections[name] for name in _SECTIONS if name in self.sections}
        config = {
            name: {key: value for key, value in section.items() if not key.endswith(_PLACES)}
            for name, section in kept.items()
            if isinstance(section, Mapping)
        }
        return {"config": config}

    def _section(self, name: str) -> Mapping[str, Any]:
        section = (self.sections or {}).get(name)
        if not isinstance(section, Mapping):
            raise UserError(f"has no section {name!r}; fix it or move it away")
        return section


def read_config(path: Path) -> RunConfig:
    """Reads the `config.json` at a path, if there is one.

    Raises:
        UserError: it can't be read, or is no JSON object.
    """
    with system_errors(path):
        if not path.exists():
            return RunConfig(path, None)
    sections = read_json(path, largest=_LARGEST)
    with error_context(path):
        if not isinstance(sections, dict):
            raise UserError("is no JSON object; fix it or move it away")
    return RunConfig(path, use_current_keys(sections))
