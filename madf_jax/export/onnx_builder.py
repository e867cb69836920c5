"""Building an ONNX graph node by node, with names that follow the tree of the network's modules.

Tensors are named by strings. Axes: N batch; C, O channels in and out; H, W rows and columns; k the
side of a window. Inside a graph images and features are NCHW, as ONNX has them.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any

import numpy as np

from madf_jax.errors import UserError

if TYPE_CHECKING:
    import onnx


class Nodes:
    """The nodes and constants of a graph that is being built.

    Args:
        dtype: of weights and of computation, float32 or float16.
    """

    def __init__(self, dtype: str) -> None:
        self.dtype = np.dtype(dtype)
        self._nodes: list[onnx.NodeProto] = []
        self._constants: dict[str, onnx.TensorProto] = {}

    def add(self, name: str, operator: str, inputs: Sequence[str], **attributes: Any) -> str:
        """Adds a node with one output.

        Returns:
            The output's name, which is the node's.
        """
        from onnx import helper

        self._nodes.append(helper.make_node(operator, inputs, [name], name=name, **attributes))
        return name

    def constant(self, name: str, value: np.ndarray) -> str:
        """Adds an array as it is.

        Returns:
            Its name.
        """
        from onnx import numpy_helper

        # A scalar must stay one, which np.ascontiguousarray makes a vector of.
        self._constants[name] = numpy_helper.from_array(np.asarray(value, order="C"), name)
        return name

    def weight(self, name: str, value: np.ndarray) -> str:
        """Adds an array in the dtype of computation.

        Returns:
            Its name.

        Raises:
            UserError: it holds what float16 can't hold.
        """
        with np.errstate(over="ignore"):
            cast = np.asarray(value).astype(self.dtype)
        if not np.isfinite(cast).all():
            raise UserError(f"{name!r} holds values beyond those of {self.dtype}; use float32")
        return self.constant(name, cast)

    @property
    def constant_bytes(self) -> int:
        """Of all constants."""
        return sum(len(constant.raw_data) for constant in self._constants.values())

    def graph(
        self,
        name: str,
        inputs: Sequence[onnx.ValueInfoProto],
        outputs: Sequence[onnx.ValueInfoProto],
    ) -> onnx.GraphProto:
        """The graph of all that was added."""
        from onnx import helper

        constants = list(self._constants.values())
        return helper.make_graph(self._nodes, name, inputs, outputs, constants)


@dataclasses.dataclass(frozen=True)
class Scope:
    """A place in the tree of modules: adds nodes with its name in front, and reads its weights.

    Attributes:
        nodes: that are added to.
        path: of the module, 'encoder/level_1'; '' for the whole network.
        params: of the module, a nested dict.
        batch_stats: likewise; empty where the module has none.
    """

    nodes: Nodes
    path: str
    params: Mapping[str, Any]
    batch_stats: Mapping[str, Any]

    def child(self, name: str) -> Scope:
        """The scope of a child module."""
        params, batch_stats = self.params.get(name, {}), self.batch_stats.get(name, {})
        return Scope(self.nodes, self._named(name), params, batch_stats)

    def add(self, name: str, operator: str, *inputs: str, **attributes: Any) -> str:
        """Adds a node."""
        return self.nodes.add(self._named(name), operator, inputs, **attributes)

    def integers(self, name: str, *values: int) -> str:
        """Adds a vector of int64."""
        return self.nodes.constant(self._named(name), np.array(values, np.int64))

    def number(self, name: str, value: float) -> str:
        """Adds a scalar in the dtype of computation."""
        return self.nodes.weight(self._named(name), np.array(value))

    def weight(self, name: str, value: np.ndarray) -> str:
        """Adds an array in the dtype of computation."""
        return self.nodes.weight(self._named(name), value)

    def leaf(self, name: str) -> np.ndarray:
        """A parameter of this module."""
        return np.asarray(self.params[name])

    def _named(self, name: str) -> str:
        return f"{self.path}/{name}" if self.path else name
