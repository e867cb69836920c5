"""AlexNet's convolutions, whose features LPIPS compares; its weights are never trained here."""

from typing import NamedTuple

import flax.linen as nn
import jax


class _Convolution(NamedTuple):
    features: int
    kernel_size: int
    strides: int
    padding: int
    pooled: bool
    """Whether its input is pooled first."""


_CONVOLUTIONS = (
    _Convolution(64, 11, 4, 2, pooled=False),
    _Convolution(192, 5, 1, 2, pooled=True),
    _Convolution(384, 3, 1, 1, pooled=True),
    _Convolution(256, 3, 1, 1, pooled=False),
    _Convolution(256, 3, 1, 1, pooled=False),
)


class AlexNet(nn.Module):
    """The five convolutions of AlexNet in its one-column form (Krizhevsky, 2014)."""

    @nn.compact
    def __call__(self, image: jax.Array) -> tuple[jax.Array, ...]:
        """Features after each rectifier.

        Args:
            image: (N, H, W, 3), ImageNet-normalized, H and W at least 31.

        Returns:
            Five arrays (N, I, J, C) with C = 64, 192, 384, 256, 256.
        """
        features, x = [], image
        for index, (width, size, strides, padding, pooled) in enumerate(_CONVOLUTIONS, start=1):
            if pooled:
                x = nn.max_pool(x, (3, 3), strides=(2, 2))
            convolution = nn.Conv(
                width, (size, size), strides=strides, padding=padding, name=f"conv{index}"
            )
            x = nn.relu(convolution(x))
            features.append(x)
        return tuple(features)
