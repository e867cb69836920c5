"""The five loss terms, each a mean over all elements, for one output of the cascade.

Axes as in `madf_jax.network`; images are ImageNet-normalized, `mask` is 1 = known. Every term is
a scalar >= 0. Formulas: the PyTorch reference; paper, section III-E.
"""

from collections.abc import Sequence

import jax
import jax.numpy as jnp


def mean_absolute_error(a: jax.Array, b: jax.Array) -> jax.Array:
    """L1: the mean of |a - b| over all elements of two arrays of one shape, at least float32."""
    dtype = jnp.promote_types(jnp.result_type(a, b), jnp.float32)
    return jnp.mean(jnp.abs(a.astype(dtype) - b.astype(dtype)))


def valid(output: jax.Array, image: jax.Array, mask: jax.Array) -> jax.Array:
    """Reconstruction of known pixels: (N, H, W, 3) images, (N, H, W, 1) mask."""
    return mean_absolute_error(mask * output, mask * image)


def hole(output: jax.Array, image: jax.Array, mask: jax.Array) -> jax.Array:
    """Reconstruction of holes; arguments as in `valid`."""
    return mean_absolute_error((1 - mask) * output, (1 - mask) * image)


def total_variation(image: jax.Array) -> jax.Array:
    """Mean absolute horizontal plus mean absolute vertical difference of (N, H, W, 3)."""
    return mean_absolute_error(image[:, :, 1:], image[:, :, :-1]) + mean_absolute_error(
        image[:, 1:], image[:, :-1]
    )


def gram(features: jax.Array) -> jax.Array:
    """Gram matrices: (N, H, W, C) to (N, C, C), divided by C * H * W, in at least float32."""
    _, height, width, channels = features.shape
    dtype = jnp.promote_types(features.dtype, jnp.float32)
    product = jnp.einsum("nhwc,nhwd->ncd", features, features, preferred_element_type=dtype)
    return product / (channels * height * width)


def perceptual(features: Sequence[jax.Array], target: Sequence[jax.Array]) -> jax.Array:
    """Sum over VGG's stages of the mean absolute difference of features, each (N, h, w, C)."""
    return sum(map(mean_absolute_error, features, target), start=jnp.zeros(()))


def style(features: Sequence[jax.Array], target: Sequence[jax.Array]) -> jax.Array:
    """Sum over VGG's stages of the mean absolute difference of Gram matrices."""
    return perceptual([gram(phi) for phi in features], [gram(phi) for phi in target])
