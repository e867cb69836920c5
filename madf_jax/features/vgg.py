"""VGG-16 up to its third pooling, whose features the perceptual and style terms compare.

Its ImageNet weights are loaded by `madf_jax.weights.vgg` and never trained here. `dtype` is that of
computation and `param_dtype` that of storage, as in flax.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype

from madf_jax.layers.convolution import Conv

STAGES = ((64, 64), (128, 128), (256, 256, 256))
"""Channels of each convolution, by stage."""


class VGG16(nn.Module):
    """VGG-16 (Simonyan and Zisserman, 2015) from conv1_1 to pool3."""

    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Features after pool1, pool2 and pool3.

        Args:
            image: (N, H, W, 3), ImageNet-normalized, H and W at least 8.

        Returns:
            (N, H/2, W/2, 64), (N, H/4, W/4, 128), (N, H/8, W/8, 256).
        """
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        pooled, x = [], image
        for stage, widths in enumerate(STAGES, start=1):
            for index, width in enumerate(widths, start=1):
                x = nn.relu(Conv(width, 3, name=f"conv{stage}_{index}", **types)(x))
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
            pooled.append(x)
        return pooled[0], pooled[1], pooled[2]
