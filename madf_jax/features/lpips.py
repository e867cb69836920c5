"""LPIPS, a distance of images as people perceive it (Zhang et al., 2018), version 0.1."""

from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp

from madf_jax.features.alexnet import AlexNet
from madf_jax.features.vgg import VGG16

Trunk = Literal["alex", "vgg"]

MIN_SIDE: dict[Trunk, int] = {"alex": 31, "vgg": 16}
"""Pixels below which a side has no features left."""

_SHIFT = (-0.030, -0.088, -0.188)
_SCALE = (0.458, 0.448, 0.450)
_EPSILON = 1e-10


class LPIPS(nn.Module):
    """The distance between features of one trunk, weighted by a learned head.

    Attributes:
        trunk: 'alex' or 'vgg'.
    """

    trunk: Trunk

    @nn.compact
    def __call__(self, x: jax.Array, y: jax.Array) -> jax.Array:
        """The distance of each pair, (N,), at least 0.

        Args:
            x: (N, H, W, 3), uint8; H and W at least `MIN_SIDE`.
            y: likewise.
        """
        network = AlexNet(name="trunk") if self.trunk == "alex" else _vgg(name="trunk")
        distance = jnp.zeros(len(x))
        for index, features in enumerate(network(_normalize(jnp.concatenate([x, y])))):
            head = self.param(f"head{index + 1}", nn.initializers.ones, (features.shape[-1],))
            unit_x, unit_y = jnp.split(_to_unit_length(features), 2)
            distance += ((unit_x - unit_y) ** 2 @ head).mean(axis=(1, 2))
        return distance


def _vgg(name: str) -> VGG16:
    return VGG16(stages=5, taps="unpooled", name=name)


def _normalize(image: jax.Array) -> jax.Array:
    return (image / 127.5 - 1 - jnp.asarray(_SHIFT)) / jnp.asarray(_SCALE)


def _to_unit_length(features: jax.Array) -> jax.Array:
    return features / (jnp.linalg.norm(features, axis=-1, keepdims=True) + _EPSILON)
