"""The table of names for one network: each tensor of the PyTorch reference with its shape."""

from __future__ import annotations

import dataclasses
from typing import Any

import numpy as np

from madf_jax.network import MADF
from madf_jax.weights import layouts
from madf_jax.weights.checks import Shape, float_array, whole_number
from madf_jax.weights.description import network_shapes
from madf_jax.weights.names import Name, reference_names


@dataclasses.dataclass(frozen=True, kw_only=True)
class Row(Name):
    """One tensor of a network.

    Attributes:
        shape: ours; the reference's own if unused.
    """

    shape: Shape

    @property
    def reference_shape(self) -> Shape:
        """Its shape in the reference."""
        return self.layout.reference_shape(self.shape)

    def checked(self, name: str, value: Any, *, squares: bool = False) -> np.ndarray:
        """`value` as this row's dtype, float32 or a count.

        Args:
            name: what a `UserError` calls it.
            value: a tensor of the right shape, in either layout.
            squares: it holds means of squares, never below 0; running variances do anyway.

        Raises:
            UserError: it is no weight.
        """
        if self.layout is layouts.COUNT:
            return np.asarray(whole_number(name, value), np.int32)
        squares = squares or self.path.endswith("/var")
        return float_array(name, value, negative=not squares)


def parameter_names(network: MADF) -> tuple[Row, ...]:
    """The table for a network, in the order of the reference's state dict.

    Raises:
        UserError: the network's arguments are out of range.
    """
    shapes = network_shapes(network)
    names = reference_names(network.depth, network.refinements)
    return tuple(Row(**vars(name), shape=_shape(name, shapes)) for name in names)


def _shape(name: Name, shapes: dict[str, Shape]) -> Shape:
    if name.collection != "unused":
        return shapes[f"{name.collection}/{name.path}"]
    channels = shapes[f"params/{name.path}"][2]
    return () if name.layout is layouts.COUNT else (channels,)
