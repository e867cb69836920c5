"""Writes a network with its weights as an ONNX file, once onnxruntime agrees with JAX on it."""

from __future__ import annotations

import dataclasses
import json
import os
from typing import TYPE_CHECKING, Any, Literal

from madf_jax import __version__
from madf_jax.errors import UserError
from madf_jax.export.onnx_builder import Nodes, Scope
from madf_jax.export.onnx_check import Example, check_composite, check_network
from madf_jax.export.onnx_images import bare_network, painted_composite
from madf_jax.files import local_path, write_whole
from madf_jax.inference.onnx_file import DESCRIPTION, require_packages
from madf_jax.inference.trained_width import trained_width
from madf_jax.weights import Weights
from madf_jax.weights.description import describe_network

if TYPE_CHECKING:
    import onnx

OPSET = 17
_IR_VERSION = 8  # of the file's format: what the first onnxruntime with this opset reads
_MOST_BYTES = 2**31 - 2**24  # of weights: protobuf holds 2 GiB
_SIZES = ("batch", "height", "width")


@dataclasses.dataclass(frozen=True)
class OnnxFacts:
    """What was written.

    Attributes:
        deviation: of onnxruntime's output from JAX's, the largest difference over the largest
            value.
        opset: the version of ONNX's operators.
    """

    deviation: float
    opset: int = OPSET


def write_onnx(
    model: Weights,
    path: str | os.PathLike[str],
    *,
    uint8: bool,
    dtype: Literal["float32", "float16"],
) -> OnnxFacts:
    """Writes an ONNX file for any batch and any height and width in multiples of 2**depth.

    The bare network reads `image` (N, H, W, 3), float32, ImageNet-normalized, and `mask` (N, H, W,
    1), float32, exactly 1 = known and 0 = hole, and gives `output` (N, H, W, 3), float32,
    ImageNet-normalized: the last image of the cascade, in known pixels, too.

    With `uint8` it reads `image` (N, H, W, 3), uint8, RGB, and `mask` (N, H, W, 1), uint8, 0 = hole
    and anything else known, and gives `composite` (N, H, W, 3), uint8: known pixels as they came
    in, holes painted and rounded to the nearest level.

    What onnxruntime does with wrong input: another dtype, rank or number of channels is refused by
    the input's name. A side that is no multiple of 2**depth, and a mask of another size or number
    than the image, are refused where sizes meet, mostly in a 'Concat'. What it can't see: a mask of
    the other polarity, which keeps the hole and paints the rest; and, in a bare network, an image
    or a mask in [0, 255], which gives a wrong image.

    Args:
        model: what `madf_jax.weights.load` reads.
        path: of the file, which appears whole or not at all.
        uint8: image in, composite out; otherwise the bare network.
        dtype: of weights and of computation; what goes in and out stays float32 or uint8.

    Raises:
        UserError: the extra [onnx] is not installed, the weights are beyond the dtype or the
            format, or onnxruntime's output is not JAX's.
    """
    path = local_path(path)
    require_packages(path)
    proto = _proto(model, uint8=False, dtype=dtype)
    example, exact = Example.of(model), dtype == "float32"
    deviation = check_network(proto.SerializeToString(), example, exact=exact)
    if uint8:
        proto = _proto(model, uint8=True, dtype=dtype)
        check_composite(proto.SerializeToString(), example, exact=exact)
    facts = OnnxFacts(deviation)
    _describe(proto, model, {"uint8": uint8, "dtype": dtype, **dataclasses.asdict(facts)})
    write_whole(path, lambda temporary: temporary.write_bytes(proto.SerializeToString()))
    return facts


def _proto(model: Weights, *, uint8: bool, dtype: str) -> onnx.ModelProto:
    from onnx import TensorProto, helper

    nodes = Nodes(dtype)
    variables = model.variables
    scope = Scope(nodes, "", variables["params"], variables["batch_stats"])
    assemble = painted_composite if uint8 else bare_network
    result = assemble(scope, model.network, "image", "mask")
    kind = TensorProto.UINT8 if uint8 else TensorProto.FLOAT
    image, mask, output = (
        helper.make_tensor_value_info(name, kind, [*_SIZES, channels])
        for name, channels in (("image", 3), ("mask", 1), (result, 3))
    )
    _check_bytes(nodes.constant_bytes)
    return helper.make_model(
        nodes.graph("MADF", [image, mask], [output]),
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=_IR_VERSION,
        producer_name="madf_jax",
        producer_version=__version__,
    )


def _check_bytes(count: int) -> None:
    if count > _MOST_BYTES:
        raise UserError(f"the network has {count} bytes of weights; ONNX files hold {_MOST_BYTES}")


def _describe(proto: onnx.ModelProto, model: Weights, facts: dict[str, Any]) -> None:
    """Puts what a reader of the file wants to know into it, for `madf_jax.inference.onnx_file`."""
    width = trained_width(model.metadata)
    description = {
        "network": describe_network(model.network),
        **facts,
        "step": model.step,
        "metadata": {**model.metadata, "trained_hole_width": width},
    }
    entry = proto.metadata_props.add()
    entry.key, entry.value = DESCRIPTION, json.dumps(description)
