"""What stands before and after the network in a graph of ONNX: images, NHWC, and their pixels."""

from __future__ import annotations

import numpy as np

from madf_jax.export.onnx_builder import Scope
from madf_jax.export.onnx_graph import madf
from madf_jax.network import MADF
from madf_jax.network.pixels import IMAGENET_MEAN, IMAGENET_STD

_TO_NCHW, _TO_NHWC = [0, 3, 1, 2], [0, 2, 3, 1]


def bare_network(scope: Scope, network: MADF, image: str, mask: str) -> str:
    """The last image of the cascade.

    Args:
        scope: of the whole network.
        network: what it is.
        image: (N, H, W, 3), float32, ImageNet-normalized; pixels under holes are not read.
        mask: (N, H, W, 1), float32, 1 = known, 0 = hole.

    Returns:
        (N, H, W, 3), float32, ImageNet-normalized.
    """
    image, mask = (_planes(scope, name) for name in (image, mask))
    output = madf(scope, network, image, mask)
    in_float32 = scope.add("output_float32", "Cast", output, to=_type(np.float32))
    return scope.add("output", "Transpose", in_float32, perm=_TO_NHWC)


def painted_composite(scope: Scope, network: MADF, image: str, mask: str) -> str:
    """The image with its holes painted.

    Args:
        scope: of the whole network.
        network: what it is.
        image: (N, H, W, 3), uint8, RGB; pixels under holes are not read.
        mask: (N, H, W, 1), uint8, 0 = hole, anything else = known.

    Returns:
        (N, H, W, 3), uint8; bit-identical to the image where it is known.
    """
    is_known = scope.add("is_known", "Cast", mask, to=_type(np.bool_))
    ones = scope.add("mask_of_ones", "Cast", is_known, to=_type(np.float32))
    output = bare_network(scope, network, _normalize(scope, image), ones)
    return scope.add("composite", "Where", is_known, image, _denormalize(scope, output))


def _planes(scope: Scope, name: str) -> str:
    """NHWC in float32 to NCHW in the dtype of computation."""
    cast = scope.add(f"{name}_cast", "Cast", name, to=_type(scope.nodes.dtype))
    return scope.add(f"{name}_planes", "Transpose", cast, perm=_TO_NCHW)


def _normalize(scope: Scope, image: str) -> str:
    """`madf_jax.network.normalize`."""
    real = scope.add("image_float32", "Cast", image, to=_type(np.float32))
    unit = scope.add("unit", "Div", real, _float32(scope, "white", 255.0))
    centered = scope.add("centered", "Sub", unit, _float32(scope, "mean", IMAGENET_MEAN))
    return scope.add("normalized", "Div", centered, _float32(scope, "std", IMAGENET_STD))


def _denormalize(scope: Scope, output: str) -> str:
    """`madf_jax.network.denormalize`."""
    scaled = scope.add("scaled", "Mul", output, "std")
    unit = scope.add("shifted", "Add", scaled, "mean")
    bounds = (_float32(scope, "black", 0.0), _float32(scope, "one", 1.0))
    clipped = scope.add("clipped", "Clip", unit, *bounds)
    rounded = scope.add("rounded", "Round", scope.add("levels", "Mul", clipped, "white"))
    return scope.add("painted", "Cast", rounded, to=_type(np.uint8))


def _float32(scope: Scope, name: str, value: float | tuple[float, ...]) -> str:
    return scope.nodes.constant(name, np.array(value, np.float32))


def _type(dtype: np.typing.DTypeLike) -> int:
    from onnx import helper

    return helper.np_dtype_to_tensor_dtype(np.dtype(dtype))
