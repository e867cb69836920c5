"""VGG-16, whose features the perceptual and style terms and LPIPS compare.

Its ImageNet weights are loaded by `madf_jax.weights` and never trained here. `dtype` is that of
computation and `param_dtype` that of storage, as in flax.
"""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype

from madf_jax.layers.convolution import Conv

STAGES = ((64, 64), (128, 128), (256, 256, 256), (512, 512, 512), (512, 512, 512))
"""Channels of each convolution, by stage."""


class VGG16(nn.Module):
    """VGG-16 (Simonyan and Zisserman, 2015) from conv1_1 to the end of a stage.

    Attributes:
        stages: how many; the training's losses need three.
        taps: which features of a stage are returned, those after its pooling or those before it,
            after its last rectifier.
    """

    stages: int = 3
    taps: Literal["pooled", "unpooled"] = "pooled"
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array) -> tuple[jax.Array, ...]:
        """Features of each stage.

        Args:
            image: (N, H, W, 3), ImageNet-normalized, H and W at least 2**stages.

        Returns:
            Pooled: (N, H/2, W/2, 64), (N, H/4, W/4, 128), (N, H/8, W/8, 256) and so on; otherwise
            twice that height and width.
        """
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        tapped, x = [], image
        for stage, widths in enumerate(STAGES[: self.stages], start=1):
            for index, width in enumerate(widths, start=1):
                x = nn.relu(Conv(width, 3, name=f"conv{stage}_{index}", **types)(x))
            pooled = nn.max_pool(x, (2, 2), strides=(2, 2))
            tapped.append(pooled if self.taps == "pooled" else x)
            x = pooled
        return tuple(tapped)
