"""The layers of the network as nodes of ONNX, for inference."""

from __future__ import annotations

import numpy as np

from madf_jax.export.onnx_builder import Scope
from madf_jax.network.normalization import BatchNorm
from madf_jax.weights import layouts

SLOPE = 0.2


def conv(scope: Scope, x: str, *, stride: int = 1, plus: float = 0.0) -> str:
    """`madf_jax.layers.convolution.Conv`.

    Args:
        scope: of the layer.
        x: (N, C, H, W).
        stride: 1 or 2.
        plus: added to the result.

    Returns:
        (N, O, H / stride, W / stride).
    """
    return conv_with(scope, x, scope.leaf("kernel"), scope.leaf("bias") + plus, stride=stride)


def conv_with(
    scope: Scope, x: str, kernel: np.ndarray, bias: np.ndarray | None = None, *, stride: int = 1
) -> str:
    """A convolution whose padding keeps the size, or halves it at stride 2.

    Args:
        scope: of the layer.
        x: (N, C, H, W).
        kernel: (k, k, C, O), k odd.
        bias: (O,).
        stride: 1 or 2.

    Returns:
        (N, O, H / stride, W / stride).
    """
    size = len(kernel)
    inputs = [x, scope.weight("kernel", layouts.CONVOLUTION.to_reference(kernel))]
    if bias is not None:
        inputs.append(scope.weight("bias", bias))
    return scope.add(
        "conv",
        "Conv",
        *inputs,
        kernel_shape=[size, size],
        pads=[size // 2] * 4,
        strides=[stride, stride],
    )


def transposed_conv(scope: Scope, x: str, norm: Scope | None = None) -> str:
    """`madf_jax.network.upsampling.TransposedConv`, and the batch normalization of its result.

    Args:
        scope: of the layer.
        x: (N, C, H, W).
        norm: of a `BatchNorm`, whose running statistics become part of the weights.

    Returns:
        (N, O, 2H, 2W).
    """
    kernel, bias = scope.leaf("kernel"), scope.leaf("bias")
    if norm is not None:
        scale, shift = _scale_and_shift(norm)
        kernel, bias = kernel * scale, bias * scale + shift
    weight = layouts.TRANSPOSED_CONVOLUTION.to_reference(kernel)
    return scope.add(
        "conv",
        "ConvTranspose",
        x,
        scope.weight("kernel", weight),
        scope.weight("bias", bias),
        kernel_shape=[4, 4],
        pads=[1, 1, 1, 1],
        strides=[2, 2],
    )


def _scale_and_shift(norm: Scope) -> tuple[np.ndarray, np.ndarray]:
    """Batch normalization by the running statistics, as a factor and a summand, float64."""
    mean, var = (np.asarray(norm.batch_stats[key], np.float64) for key in ("mean", "var"))
    scale = 1 / np.sqrt(var + BatchNorm.epsilon)
    shift = -mean * scale
    if norm.params:
        scale, shift = scale * norm.leaf("scale"), shift * norm.leaf("scale") + norm.leaf("bias")
    return scale, shift


def upsample(scope: Scope, x: str) -> str:
    """`madf_jax.network.upsampling.upsample`: (N, C, H, W) to (N, C, 2H, 2W)."""
    factors = scope.nodes.constant(f"{scope.path}/factors", np.array([1, 1, 2, 2], np.float32))
    return scope.add(
        "upsampled",
        "Resize",
        x,
        "",
        factors,
        mode="linear",
        coordinate_transformation_mode="half_pixel",
    )


def relu(scope: Scope, x: str) -> str:
    """max(x, 0)."""
    return scope.add("relu", "Relu", x)


def leaky_relu(scope: Scope, x: str) -> str:
    """max(x, 0.2 x)."""
    return scope.add("leaky_relu", "LeakyRelu", x, alpha=SLOPE)


def concatenate(scope: Scope, *xs: str) -> str:
    """Along channels."""
    return scope.add("concatenated", "Concat", *xs, axis=1)
