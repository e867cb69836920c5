"""How much memory a graph of ONNX takes, by the shapes of what it computes."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from madf_jax.errors import UserError

if TYPE_CHECKING:
    import onnx

_SMALL = 256  # bytes of a constant that may be a shape


def live_bytes(model: onnx.ModelProto, shape: Sequence[int]) -> int:
    """The most that is computed and still needed at any one time, if nodes run in their order.

    Args:
        model: whose inputs are (N, H, W, C) with C alone given.
        shape: N, H, W.

    Raises:
        UserError: the graph's shapes don't follow from those of its inputs.
    """
    import onnx

    try:
        inferred = onnx.shape_inference.infer_shapes(
            _without_weights(model, shape), strict_mode=True, data_prop=True
        )
    except onnx.shape_inference.InferenceError as error:
        raise UserError(f"its shapes don't fit: {' '.join(str(error).split())}") from None
    known = {v.name: _bytes(v) for v in (*inferred.graph.value_info, *inferred.graph.output)}
    return _most_at_once(model.graph.node, known)


def _most_at_once(nodes: Sequence[onnx.NodeProto], sizes: dict[str, int]) -> int:
    last_use = {name: index for index, node in enumerate(nodes) for name in node.input}
    live = most = 0
    for index, node in enumerate(nodes):
        if not sizes.get(node.output[0]):
            raise UserError(f"the shape of its {node.output[0]!r} does not follow from the image's")
        live += sizes[node.output[0]]
        most = max(most, live)
        done = {name for name in node.input if last_use[name] == index}
        live -= sum(sizes.get(name, 0) for name in done)
    return most


def _without_weights(model: onnx.ModelProto, shape: Sequence[int]) -> onnx.ModelProto:
    """The graph with fixed inputs; large constants are inputs, too, so that none is copied."""
    from onnx import helper

    graph, info = model.graph, helper.make_tensor_value_info
    inputs = []
    for given in graph.input:
        kind = given.type.tensor_type
        channels = kind.shape.dim[-1].dim_value if kind.shape.dim else 0
        inputs.append(info(given.name, kind.elem_type, [*shape, channels]))
    large = [tensor for tensor in graph.initializer if tensor.ByteSize() > _SMALL]
    small = [tensor for tensor in graph.initializer if tensor.ByteSize() <= _SMALL]
    inputs += [info(tensor.name, tensor.data_type, list(tensor.dims)) for tensor in large]
    return helper.make_model(
        helper.make_graph(graph.node, graph.name, inputs, graph.output, small),
        opset_imports=model.opset_import,
        ir_version=model.ir_version,
    )


def _bytes(value: onnx.ValueInfoProto) -> int:
    """0 if the shape or the dtype is not known."""
    from onnx import helper

    kind = value.type.tensor_type
    shape = [dimension.dim_value for dimension in kind.shape.dim]
    if kind.elem_type == 0:
        return 0
    dtype = helper.tensor_dtype_to_np_dtype(kind.elem_type)
    # A CPU computes float16 as float32.
    return math.prod(shape) * (4 if dtype == np.float16 else dtype.itemsize)
