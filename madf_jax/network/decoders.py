"""The cascade: a recovery decoder, then refinement decoders, each guided by the one before.

Paper, sections III-C and III-D.
"""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype

from madf_jax.layers.convolution import Conv, convolution
from madf_jax.network.normalization import BatchNorm, PointwiseNorm
from madf_jax.network.rematerialization import level_call
from madf_jax.network.upsampling import TransposedConv, upsample

_SLOPE = 0.2


class RecoveryLevel(nn.Module):
    """From level i to i - 1: upsamples the features and fuses them with the skip connection there.

    Attributes:
        width: channels out.
        last: level 1, which outputs an image: no normalization, no activation.
        axis_name: as in `BatchNorm`.
    """

    width: int
    last: bool
    axis_name: str | None = None
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, skip: jax.Array, *, train: bool) -> jax.Array:
        """(N, H, W, C) and skip (N, 2H, 2W, S) to (N, 2H, 2W, width)."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = TransposedConv(self.width, name="up", **types)(x)
        if not self.last:
            x = BatchNorm(axis_name=self.axis_name, name="norm", **types)(x, train=train)
            x = nn.leaky_relu(x, _SLOPE)
        self.sow("intermediates", "upsampled", x)
        init = nn.initializers.lecun_normal() if self.last else nn.initializers.he_normal()
        fuse = Conv(self.width, 3, kernel_init=init, name="fuse", **types)
        x = fuse(jnp.concatenate([skip, x], axis=-1))
        return x if self.last else nn.relu(x)


class RecoveryDecoder(nn.Module):
    """The first decoder, which recovers the image from the skip connections.

    Attributes:
        axis_name: as in `BatchNorm`.
        remat: keep only the inputs of each level for the backward pass.
    """

    axis_name: str | None = None
    remat: bool = False
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, skips: Sequence[jax.Array], *, train: bool) -> list[jax.Array]:
        """Decodes the image from the deepest level up.

        Args:
            skips: e_0 .. e_L of the encoder.
            train: as in `BatchNorm`.

        Returns:
            r_0 .. r_{L-1}: r_0 is the image out_0 (N, H, W, 3), the others guide the first
            refinement decoder.
        """
        features = [skips[-1]]
        for i in range(len(skips) - 1, 0, -1):
            level = RecoveryLevel(
                width=3 if i == 1 else skips[i - 1].shape[-1],
                last=i == 1,
                axis_name=self.axis_name,
                dtype=self.dtype,
                param_dtype=self.param_dtype,
                name=f"level_{i}",
            )
            call = level_call(level, self.remat, train=train)
            features.append(call(features[-1], skips[i - 1]))
        return features[:0:-1]


class RefinementLevel(nn.Module):
    """From level i to i - 1, normalized by the features of the previous decoder.

    Attributes:
        width: channels out.
        norm_hidden: channels inside point-wise normalization.
        axis_name: as in `BatchNorm`.
    """

    width: int
    norm_hidden: int
    axis_name: str | None = None
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, x: jax.Array, guide: jax.Array, *, train: bool) -> jax.Array:
        """(N, H, W, C) and guide (N, 2H, 2W, G) to (N, 2H, 2W, width)."""
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        x = TransposedConv(self.width, name="up", **types)(x)
        norm = PointwiseNorm(self.norm_hidden, axis_name=self.axis_name, name="norm", **types)
        return nn.leaky_relu(norm(x, guide, train=train), _SLOPE)


class RGBProjection(nn.Module):
    """1x1 convolution to an image, from features at half its size and channels at its size.

    The same as upsampling the features and convolving everything: upsampling is linear, so here the
    three channels of the result are upsampled instead of all. Exact.
    """

    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, features: jax.Array, full_size: jax.Array) -> jax.Array:
        """(N, H, W, C) and (N, 2H, 2W, S) to (N, 2H, 2W, 3)."""
        channels = features.shape[-1]
        shape = (1, 1, channels + full_size.shape[-1], 3)
        kernel = self.param("kernel", nn.initializers.lecun_normal(), shape, self.param_dtype)
        bias = self.param("bias", nn.initializers.zeros_init(), (3,), self.param_dtype)
        features, full_size, kernel, bias = nn.dtypes.promote_dtype(
            features, full_size, kernel, bias, dtype=self.dtype
        )
        upsampled = upsample(convolution(features, kernel[:, :, :channels]))
        return upsampled + convolution(full_size, kernel[:, :, channels:]) + bias


class RefinementDecoder(nn.Module):
    """A later decoder of the cascade, which reads the images of all previous ones.

    Attributes:
        norm_hidden: channels inside point-wise normalization.
        axis_name: as in `BatchNorm`.
        remat: keep only the inputs of each level for the backward pass.
    """

    norm_hidden: int
    axis_name: str | None = None
    remat: bool = False
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self,
        skips: Sequence[jax.Array],
        guides: Sequence[jax.Array],
        outputs: Sequence[jax.Array],
        *,
        train: bool,
    ) -> tuple[jax.Array, list[jax.Array]]:
        """Decodes an image that refines the previous ones.

        Args:
            skips: e_0 .. e_L of the encoder; only e_0 and e_L are read.
            guides: features of the previous decoder at levels 0 .. L - 1; level 0 is not read.
            outputs: the images of all previous decoders, each (N, H, W, 3).
            train: as in `BatchNorm`.

        Returns:
            The image (N, H, W, 3), and this decoder's features at levels 0 .. L - 1 (level 0 is
            the image).
        """
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        features = [skips[-1]]
        for i in range(len(skips) - 1, 1, -1):
            level = RefinementLevel(
                width=skips[i - 1].shape[-1],
                norm_hidden=self.norm_hidden,
                axis_name=self.axis_name,
                name=f"level_{i}",
                **types,
            )
            call = level_call(level, self.remat, train=train)
            features.append(call(features[-1], guides[i - 1]))
        full_size = jnp.concatenate([*outputs, skips[0]], axis=-1)
        image = RGBProjection(name="output", **types)(features[-1], full_size)
        return image, [image, *features[:0:-1]]
