"""The two ways in which the decoders double the size of feature maps."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype

from madf_jax.layers.convolution import transposed_convolution


class TransposedConv(nn.Module):
    """Learned upsampling: transposed convolution of kernel 4, stride 2, padding 1, with bias.

    Attributes:
        features: channels out, O.
    """

    features: int
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """(N, H, W, C) to (N, 2H, 2W, O)."""
        init = nn.initializers.lecun_normal(in_axis=(0, 1, 2), batch_axis=(3, 4))
        shape = (2, 2, x.shape[-1], 2, 2, self.features)
        kernel = self.param("kernel", init, shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros_init(), (self.features,), self.param_dtype)
        x, kernel, bias = nn.dtypes.promote_dtype(x, kernel, bias, dtype=self.dtype)
        return transposed_convolution(x, kernel) + bias


def upsample(x: jax.Array) -> jax.Array:
    """Bilinear upsampling by 2 with half-pixel centers: (N, H, W, C) to (N, 2H, 2W, C)."""
    n, height, width, channels = x.shape
    return jax.image.resize(x, (n, 2 * height, 2 * width, channels), "bilinear")
