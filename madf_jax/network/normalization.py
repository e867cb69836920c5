"""Batch normalization with PyTorch's running statistics, and point-wise normalization."""

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype
from jax import lax

from madf_jax.layers.convolution import Conv


class BatchNorm(nn.Module):
    """Batch normalization over N, H, W with the running statistics of PyTorch.

    It differs from `flax.linen.BatchNorm` where released weights require it: the running variance
    is unbiased, n / (n - 1) times the variance that normalizes, and the number of batches is
    counted.

    Variables in `batch_stats`: `mean` and `var` (C,), at least float32, and `count`, int32 scalar.

    Attributes:
        affine: whether to scale and shift by parameters.
        axis_name: mapped axis over which batch statistics are synchronized; None uses each device's
            own.
        momentum: decay of the running statistics.
        epsilon: added to the variance.
    """

    affine: bool = True
    axis_name: str | None = None
    momentum: float = 0.9
    epsilon: float = 1e-5
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, *, train: bool) -> jax.Array:
        """Normalizes by the batch's statistics or the running ones.

        Args:
            x: (N, H, W, C).
            train: normalize by the batch's statistics and update the running ones; otherwise
                normalize by the running ones.

        Returns:
            (N, H, W, C), of `dtype`.
        """
        width, stats_dtype = x.shape[-1], jnp.promote_types(self.param_dtype, jnp.float32)
        running_mean = self.variable("batch_stats", "mean", jnp.zeros, (width,), stats_dtype)
        running_var = self.variable("batch_stats", "var", jnp.ones, (width,), stats_dtype)
        count = self.variable("batch_stats", "count", jnp.zeros, (), jnp.int32)
        if train:
            mean, var, unbiased = self._batch_statistics(x.astype(stats_dtype))
            if not self.is_initializing():
                for running, seen in ((running_mean, mean), (running_var, unbiased)):
                    running.value = self.momentum * running.value + (1 - self.momentum) * seen
                count.value += 1
        else:
            mean, var = running_mean.value, running_var.value
        scale = lax.rsqrt(var + self.epsilon)
        shift = -mean * scale
        if self.affine:
            ones, zeros = nn.initializers.ones_init(), nn.initializers.zeros_init()
            gain = self.param("scale", ones, (width,), self.param_dtype)
            scale, shift = scale * gain, shift * gain
            shift += self.param("bias", zeros, (width,), self.param_dtype)
        dtype = self.dtype or jnp.result_type(x, self.param_dtype)
        return (x.astype(stats_dtype) * scale + shift).astype(dtype)

    def _batch_statistics(self, x: jax.Array) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Mean, biased and unbiased variance of a batch, each (C,)."""
        axes, n = (0, 1, 2), x.size // x.shape[-1]
        synchronized = self.axis_name is not None and not self.is_initializing()
        mean = jnp.mean(x, axes)
        if synchronized:
            mean = lax.pmean(mean, self.axis_name)
            n *= lax.axis_size(self.axis_name)
        var = jnp.mean(jnp.square(x - mean), axes)
        if synchronized:
            var = lax.pmean(var, self.axis_name)
        return mean, var, var * (n / (n - 1))


class PointwiseNorm(nn.Module):
    """Point-wise normalization: scale and bias of each pixel are predicted from a guide.

    Paper, section III-C:

    PN(x; g) = BN(x) * (1 + conv(a)) + conv(a), with a = relu(conv(g)).

    Attributes:
        hidden: channels of a.
        axis_name: as in `BatchNorm`.
    """

    hidden: int
    axis_name: str | None = None
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, guide: jax.Array, *, train: bool) -> jax.Array:
        """Normalizes `x`, with scale and bias predicted from `guide`.

        Args:
            x: (N, H, W, C).
            guide: (N, H, W, G), features of the previous decoder.
            train: as in `BatchNorm`.

        Returns:
            (N, H, W, C).
        """
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        he = nn.initializers.he_normal()
        # Small, so that the cascade starts close to plain batch normalization and trains stably
        # with any number of decoders.
        small = nn.initializers.variance_scaling(0.01, "fan_in", "truncated_normal")
        shared = nn.relu(Conv(self.hidden, 3, kernel_init=he, name="shared", **types)(guide))
        scale = Conv(x.shape[-1], 3, kernel_init=small, name="scale", **types)(shared)
        bias = Conv(x.shape[-1], 3, kernel_init=small, name="bias", **types)(shared)
        norm = BatchNorm(affine=False, axis_name=self.axis_name, name="batch_norm", **types)
        return norm(x, train=train) * (1 + scale) + bias
