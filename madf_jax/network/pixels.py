"""Conversion between 8-bit RGB images and the ImageNet-normalized images of the networks."""

import jax
import jax.numpy as jnp

from madf_jax.imagenet import IMAGENET_MEAN, IMAGENET_STD


def normalize(image: jax.Array) -> jax.Array:
    """Normalizes an 8-bit image by the mean and standard deviation of ImageNet.

    Args:
        image: (..., 3), uint8, RGB.

    Returns:
        (..., 3), float32, about [-2.2, 2.7].
    """
    mean, std = jnp.asarray(IMAGENET_MEAN, jnp.float32), jnp.asarray(IMAGENET_STD, jnp.float32)
    return (image.astype(jnp.float32) / 255.0 - mean) / std


def denormalize(image: jax.Array) -> jax.Array:
    """The inverse of `normalize`, rounded and clipped to 8 bits.

    Args:
        image: (..., 3), float, ImageNet-normalized RGB.

    Returns:
        (..., 3), uint8, [0, 255].
    """
    mean, std = jnp.asarray(IMAGENET_MEAN, jnp.float32), jnp.asarray(IMAGENET_STD, jnp.float32)
    unit = image.astype(jnp.float32) * std + mean
    return jnp.round(jnp.clip(unit, 0.0, 1.0) * 255.0).astype(jnp.uint8)


def composite(image: jax.Array, output: jax.Array, mask: jax.Array) -> jax.Array:
    """The inpainted image: known pixels from `image`, holes from `output`.

    Args:
        image: (N, H, W, 3), any dtype.
        output: (N, H, W, 3), the dtype of `image`.
        mask: (N, H, W, 1), 1 = known, 0 = hole.

    Returns:
        (N, H, W, 3), the dtype of `image`; bit-identical to it where the mask is 1.
    """
    return jnp.where(mask > 0.5, image, output)
