"""Inception v3 as FID uses it: the network of December 2015, up to its last pooling.

It differs from torchvision's: means of a window leave the zeros beyond the image out, and the last
block pools by maxima. Batch normalization is folded into kernels and biases when weights are read
(`madf_jax.weights.inception`). Names are torchvision's.
"""

from typing import NamedTuple

import flax.linen as nn
import jax
import jax.numpy as jnp

FEATURES = 2048


class Layer(NamedTuple):
    """A convolution with its rectifier. Without `valid`, zeros around the image keep its size."""

    name: str
    features: int
    kernel_size: tuple[int, int]
    strides: int = 1
    valid: bool = False


class _Block(nn.Module):
    """What all blocks are made of."""

    def _chain(self, x: jax.Array, *layers: Layer) -> jax.Array:
        for name, features, size, strides, valid in layers:
            padding = "VALID" if valid else "SAME"
            x = nn.relu(nn.Conv(features, size, strides, padding, name=name)(x))
        return x


def _mean_pool(x: jax.Array) -> jax.Array:
    return nn.avg_pool(x, (3, 3), (1, 1), "SAME", count_include_pad=False)


def _reduce(x: jax.Array) -> jax.Array:
    return nn.max_pool(x, (3, 3), (2, 2))


class _BlockA(_Block):
    pool_features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        branches = [
            self._chain(x, Layer("branch1x1", 64, (1, 1))),
            self._chain(x, Layer("branch5x5_1", 48, (1, 1)), Layer("branch5x5_2", 64, (5, 5))),
            self._chain(
                x,
                Layer("branch3x3dbl_1", 64, (1, 1)),
                Layer("branch3x3dbl_2", 96, (3, 3)),
                Layer("branch3x3dbl_3", 96, (3, 3)),
            ),
            self._chain(_mean_pool(x), Layer("branch_pool", self.pool_features, (1, 1))),
        ]
        return jnp.concatenate(branches, axis=-1)


class _BlockB(_Block):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        branches = [
            self._chain(x, Layer("branch3x3", 384, (3, 3), 2, valid=True)),
            self._chain(
                x,
                Layer("branch3x3dbl_1", 64, (1, 1)),
                Layer("branch3x3dbl_2", 96, (3, 3)),
                Layer("branch3x3dbl_3", 96, (3, 3), 2, valid=True),
            ),
            _reduce(x),
        ]
        return jnp.concatenate(branches, axis=-1)


class _BlockC(_Block):
    inner_features: int

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        inner = self.inner_features
        branches = [
            self._chain(x, Layer("branch1x1", 192, (1, 1))),
            self._chain(
                x,
                Layer("branch7x7_1", inner, (1, 1)),
                Layer("branch7x7_2", inner, (1, 7)),
                Layer("branch7x7_3", 192, (7, 1)),
            ),
            self._chain(
                x,
                Layer("branch7x7dbl_1", inner, (1, 1)),
                Layer("branch7x7dbl_2", inner, (7, 1)),
                Layer("branch7x7dbl_3", inner, (1, 7)),
                Layer("branch7x7dbl_4", inner, (7, 1)),
                Layer("branch7x7dbl_5", 192, (1, 7)),
            ),
            self._chain(_mean_pool(x), Layer("branch_pool", 192, (1, 1))),
        ]
        return jnp.concatenate(branches, axis=-1)


class _BlockD(_Block):
    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        branches = [
            self._chain(
                x,
                Layer("branch3x3_1", 192, (1, 1)),
                Layer("branch3x3_2", 320, (3, 3), 2, valid=True),
            ),
            self._chain(
                x,
                Layer("branch7x7x3_1", 192, (1, 1)),
                Layer("branch7x7x3_2", 192, (1, 7)),
                Layer("branch7x7x3_3", 192, (7, 1)),
                Layer("branch7x7x3_4", 192, (3, 3), 2, valid=True),
            ),
            _reduce(x),
        ]
        return jnp.concatenate(branches, axis=-1)


class _BlockE(_Block):
    max_pool: bool

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        wide = self._chain(x, Layer("branch3x3_1", 384, (1, 1)))
        twice = self._chain(
            x, Layer("branch3x3dbl_1", 448, (1, 1)), Layer("branch3x3dbl_2", 384, (3, 3))
        )
        pooled = nn.max_pool(x, (3, 3), (1, 1), "SAME") if self.max_pool else _mean_pool(x)
        branches = [
            self._chain(x, Layer("branch1x1", 320, (1, 1))),
            self._chain(wide, Layer("branch3x3_2a", 384, (1, 3))),
            self._chain(wide, Layer("branch3x3_2b", 384, (3, 1))),
            self._chain(twice, Layer("branch3x3dbl_3a", 384, (1, 3))),
            self._chain(twice, Layer("branch3x3dbl_3b", 384, (3, 1))),
            self._chain(pooled, Layer("branch_pool", 192, (1, 1))),
        ]
        return jnp.concatenate(branches, axis=-1)


class Inception(_Block):
    """Inception v3 (Szegedy et al., 2016) without its classifier."""

    @nn.compact
    def __call__(self, x: jax.Array) -> jax.Array:
        """Features.

        Args:
            x: (N, 299, 299, 3), floating, from `madf_jax.features.preparation`.

        Returns:
            (N, 2048), at least 0.
        """
        x = self._chain(
            x,
            Layer("Conv2d_1a_3x3", 32, (3, 3), 2, valid=True),
            Layer("Conv2d_2a_3x3", 32, (3, 3), valid=True),
            Layer("Conv2d_2b_3x3", 64, (3, 3)),
        )
        x = self._chain(
            _reduce(x),
            Layer("Conv2d_3b_1x1", 80, (1, 1), valid=True),
            Layer("Conv2d_4a_3x3", 192, (3, 3), valid=True),
        )
        x = _reduce(x)
        for name, pool_features in (("b", 32), ("c", 64), ("d", 64)):
            x = _BlockA(pool_features, name=f"Mixed_5{name}")(x)
        x = _BlockB(name="Mixed_6a")(x)
        for name, inner_features in (("b", 128), ("c", 160), ("d", 160), ("e", 192)):
            x = _BlockC(inner_features, name=f"Mixed_6{name}")(x)
        x = _BlockD(name="Mixed_7a")(x)
        x = _BlockE(max_pool=False, name="Mixed_7b")(x)
        x = _BlockE(max_pool=True, name="Mixed_7c")(x)
        return x.mean(axis=(1, 2))
