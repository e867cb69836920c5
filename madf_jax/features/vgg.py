"""The trunk of VGG-16, whose features the perceptual and style terms compare.

Its weights are ImageNet's, never trained here: `madf_jax.weights.vgg` loads them.
"""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype

from madf_jax.layers.convolution import Conv

STAGES = ((64, 64), (128, 128), (256, 256, 256))


class VGG16(nn.Module):
    """VGG-16 (Simonyan and Zisserman, 2015) from conv1_1 to pool3, without its classifier.

    Attributes:
        dtype: of computation.
        param_dtype: of storage.
    """

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
        features, x = [], image
        for stage, widths in enumerate(STAGES, start=1):
            for index, width in enumerate(widths, start=1):
                conv = Conv(
                    width,
                    3,
                    dtype=self.dtype,
                    param_dtype=self.param_dtype,
                    name=f"conv{stage}_{index}",
                )
                x = nn.relu(conv(x))
            x = nn.max_pool(x, (2, 2), strides=(2, 2))
            features.append(x)
        return features[0], features[1], features[2]
