"""Convolutions as XLA provides them: TPUs and GPUs compute these and the gradients of these."""

import jax
import jax.numpy as jnp
from jax import lax

_LAYOUT = ("NHWC", "HWIO", "NHWC")


def convolution(x: jax.Array, kernel: jax.Array, stride: int, padding: int) -> jax.Array:
    """As `madf_jax.layers.convolution.convolution`."""
    pads = ((padding, padding),) * 2
    return lax.conv_general_dilated(x, kernel, (stride, stride), pads, dimension_numbers=_LAYOUT)


def transposed_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """As `madf_jax.layers.convolution.transposed_convolution`, over the zero-stuffed input."""
    *_, channels, _, _, features = kernel.shape
    kernel = kernel.transpose(0, 3, 1, 4, 2, 5).reshape(4, 4, channels, features)
    pads = ((2, 2), (2, 2))
    y = lax.conv_general_dilated(
        x, kernel, (1, 1), pads, lhs_dilation=(2, 2), dimension_numbers=_LAYOUT
    )
    # In float32, libtpu 0.0.42 for v6e overflows its stack where it fuses this convolution with the
    # bias and the batch statistics that follow.
    return lax.optimization_barrier(y) if y.dtype == jnp.float32 else y
