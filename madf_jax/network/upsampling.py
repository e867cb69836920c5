"""The two ways the decoders double a picture's size."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype

from madf_jax.convolution import convolution


def transposed_convolution(x: jax.Array, kernel: jax.Array) -> jax.Array:
    """Transposed convolution of kernel 4, stride 2 and padding 1, by its four phases.

    Output row 2h + a (a = 0, 1) sees only the input rows h - 1 + a and h + a, through two of the
    four kernel rows; columns alike. So one 2x2 convolution computes all four phases, and none of
    its products meets a stuffed zero. Exact.

    Args:
        x: (N, H, W, C).
        kernel: (2, 2, C, 2, 2, O): tap along rows and columns, channels in, phase along rows and
            columns, channels out. Tap t of phase a is row 2t + a of the kernel of a convolution
            over the zero-stuffed input padded by 2.

    Returns:
        (N, 2H, 2W, O).
    """
    n, height, width, channels = x.shape
    features = kernel.shape[-1]
    y = convolution(x, kernel.reshape(2, 2, channels, 4 * features), 1, 1)
    y = y.reshape(n, height + 1, width + 1, 2, 2, features)
    rows = [
        jnp.stack([y[:, a : a + height, b : b + width, a, b] for b in range(2)], axis=3)
        for a in range(2)
    ]
    return jnp.stack(rows, axis=2).reshape(n, 2 * height, 2 * width, features)


class TransposedConv(nn.Module):
    """Learned doubling: transposed convolution of kernel 4, stride 2, padding 1, with bias.

    Attributes:
        width: channels out, O.
        dtype: of computation.
        param_dtype: of storage.
    """

    width: int
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(N, H, W, C) to (N, 2H, 2W, O)."""
        init = nn.initializers.lecun_normal(in_axis=(0, 1, 2), batch_axis=(3, 4))
        shape = (2, 2, x.shape[-1], 2, 2, self.width)
        kernel = self.param("kernel", init, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.width,), self.param_dtype)
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return transposed_convolution(x, kernel) + bias


def upsample(x: jax.Array) -> jax.Array:
    """Bilinear doubling with half-pixel centres: (N, H, W, C) to (N, 2H, 2W, C)."""
    n, height, width, channels = x.shape
    return jax.image.resize(x, (n, 2 * height, 2 * width, channels), "bilinear")
