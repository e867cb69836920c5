"""The network as a graph of ONNX, for inference: module by module as `madf_jax.network` has it.

Each function is the module of that name. Features are NCHW here, parameters those of the module in
`scope`. Batch normalization by the running statistics is part of the transposed convolution before
it.
"""

from __future__ import annotations

from collections.abc import Sequence

from madf_jax.export.onnx_builder import Scope
from madf_jax.export.onnx_layers import (
    concatenate,
    conv,
    conv_with,
    leaky_relu,
    relu,
    transposed_conv,
    upsample,
)
from madf_jax.network import MADF


def madf(scope: Scope, network: MADF, image: str, mask: str) -> str:
    """The last image of the cascade.

    Args:
        scope: of the whole network.
        network: whose depth and number of refinement decoders count.
        image: (N, 3, H, W), ImageNet-normalized; pixels under holes are not read.
        mask: (N, 1, H, W), 1 = known, 0 = hole.

    Returns:
        (N, 3, H, W), ImageNet-normalized.
    """
    known = scope.add("known", "Greater", mask, scope.number("half", 0.5))
    masked_image = scope.add("masked_image", "Where", known, image, scope.number("zero", 0.0))
    skips = encoder(scope.child("encoder"), network.depth, masked_image, mask)
    features = recovery_decoder(scope.child("recovery_decoder"), skips)
    outputs = [features[0]]
    for j in range(network.refinements):
        decoder = scope.child(f"refinement_decoder_{j}")
        output, features = refinement_decoder(decoder, skips, features, outputs)
        outputs.append(output)
    return outputs[-1]


def encoder(scope: Scope, depth: int, masked_image: str, mask: str) -> list[str]:
    """Skip connections e_0 .. e_L from (N, 3, H, W) and (N, 1, H, W)."""
    mask_features = scope.add("mask_features", "Concat", mask, mask, mask, axis=1)
    features = concatenate(scope, masked_image, mask_features)
    skips = [features]
    for i in range(1, depth + 1):
        level = scope.child(f"level_{i}")
        features, mask_features, skip = encoder_level(level, features, mask_features)
        skips.append(skip)
    return skips


def encoder_level(scope: Scope, features: str, mask_features: str) -> tuple[str, str, str]:
    """Features, mask features and the skip connection of the next level, at half the size."""
    mask_conv, skip = scope.child("mask_conv"), scope.child("skip")
    mask_features = relu(mask_conv, conv(mask_conv, mask_features, stride=2))
    filters = scope.child("filters")
    features = relu(filters, dynamic_filters(filters, features, mask_features))
    return features, mask_features, relu(skip, conv(skip, features))


def dynamic_filters(scope: Scope, features: str, mask_features: str) -> str:
    """Mask-aware dynamic filtering in its 'factored' form.

    Args:
        scope: of the module.
        features: (N, C, H, W).
        mask_features: (N, M, H/2, W/2).

    Returns:
        (N, O, H/2, W/2), before the activation.
    """
    kernel = scope.leaf("kernel")  # (k, k, C, M, O)
    mask_width, width = kernel.shape[3:]
    basis = kernel.reshape(*kernel.shape[:3], mask_width * width)
    responses = conv_with(scope.child("basis"), features, basis, stride=2)
    # A dimension of 0 stays as it is: (N, M * O, H/2, W/2) to (N, M, O, H/2, W/2).
    size = scope.add("size", "Shape", mask_features, start=2)
    shape = scope.add(
        "shape", "Concat", scope.integers("split", 0, mask_width, width), size, axis=0
    )
    responses = scope.add("responses", "Reshape", responses, shape)
    by_mask = scope.add("by_mask", "Unsqueeze", mask_features, scope.integers("axis_of_o", 2))
    products = scope.add("products", "Mul", by_mask, responses)
    axis = scope.integers("axis_of_m", 1)
    filtered = scope.add("filtered", "ReduceSum", products, axis, keepdims=0)
    by_bias = conv_with(scope.child("bias"), features, scope.leaf("bias"), stride=2)
    return scope.add("sum", "Add", filtered, by_bias)


def recovery_decoder(scope: Scope, skips: Sequence[str]) -> list[str]:
    """r_0 .. r_{L-1}; r_0 is the image out_0 (N, 3, H, W)."""
    features = [skips[-1]]
    for i in range(len(skips) - 1, 0, -1):
        level = scope.child(f"level_{i}")
        features.append(recovery_level(level, features[-1], skips[i - 1], last=i == 1))
    return features[:0:-1]


def recovery_level(scope: Scope, x: str, skip: str, *, last: bool) -> str:
    """From level i to i - 1: upsamples the features and fuses them with the skip connection."""
    up, fuse = scope.child("up"), scope.child("fuse")
    x = (
        transposed_conv(up, x)
        if last
        else leaky_relu(up, transposed_conv(up, x, scope.child("norm")))
    )
    x = conv(fuse, concatenate(fuse, skip, x))
    return x if last else relu(fuse, x)


def refinement_decoder(
    scope: Scope, skips: Sequence[str], guides: Sequence[str], outputs: Sequence[str]
) -> tuple[str, list[str]]:
    """The image (N, 3, H, W), and the features at levels 0 .. L - 1, of which level 0 is it."""
    features = [skips[-1]]
    for i in range(len(skips) - 1, 1, -1):
        level = scope.child(f"level_{i}")
        features.append(refinement_level(level, features[-1], guides[i - 1]))
    projection = scope.child("output")
    full_size = concatenate(projection, *outputs, skips[0])
    # Each output has 3 channels, the masked image with its mask 6.
    image = rgb_projection(projection, features[-1], full_size, 3 * len(outputs) + 6)
    return image, [image, *features[:0:-1]]


def refinement_level(scope: Scope, x: str, guide: str) -> str:
    """From level i to i - 1, normalized by the features of the previous decoder."""
    norm = scope.child("norm")
    x = transposed_conv(scope.child("up"), x, norm.child("batch_norm"))
    return leaky_relu(scope, pointwise_norm(norm, x, guide))


def pointwise_norm(scope: Scope, x: str, guide: str) -> str:
    """Point-wise normalization of what batch normalization has normalized already."""
    hidden = scope.child("shared")
    shared = relu(hidden, conv(hidden, guide))
    one_plus_scale = conv(scope.child("scale"), shared, plus=1.0)
    scaled = scope.add("scaled", "Mul", x, one_plus_scale)
    return scope.add("shifted", "Add", scaled, conv(scope.child("bias"), shared))


def rgb_projection(scope: Scope, features: str, full_size: str, width: int) -> str:
    """To an image.

    Args:
        scope: of the module.
        features: (N, C, H, W).
        full_size: (N, S, 2H, 2W).
        width: S.

    Returns:
        (N, 3, 2H, 2W).
    """
    kernel = scope.leaf("kernel")
    split = kernel.shape[2] - width
    of_features = conv_with(scope.child("features"), features, kernel[:, :, :split])
    of_full_size = conv_with(
        scope.child("full_size"), full_size, kernel[:, :, split:], scope.leaf("bias")
    )
    return scope.add("sum", "Add", upsample(scope, of_features), of_full_size)
