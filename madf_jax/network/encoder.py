"""The encoder: levels of mask-aware dynamic filtering, each with a skip connection."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype

from madf_jax.layers.convolution import Conv
from madf_jax.network.dynamic_filtering import DynamicFilters, Form
from madf_jax.network.rematerialization import level_call


class EncoderLevel(nn.Module):
    """One level: mask features, dynamically filtered features and their skip connection.

    Attributes:
        kernel_size: of the mask's convolution and of the filters.
        mask_width: channels of the mask features.
        width: channels of the features.
        skip_width: channels of the skip connection.
        filtering: form of dynamic filtering.
    """

    kernel_size: int
    mask_width: int
    width: int
    skip_width: int
    filtering: Form = "factored"
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(
        self, features: jax.Array, mask_features: jax.Array
    ) -> tuple[jax.Array, jax.Array, jax.Array]:
        """Computes the next level, at half the size.

        Args:
            features: (N, H, W, C).
            mask_features: (N, H, W, M').

        Returns:
            Features (N, H/2, W/2, width), mask features (N, H/2, W/2, mask_width), skip (N, H/2,
            W/2, skip_width).
        """
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        he = nn.initializers.he_normal()
        mask_conv = Conv(
            self.mask_width, self.kernel_size, strides=2, kernel_init=he, name="mask_conv", **types
        )
        mask_features = nn.relu(mask_conv(mask_features))
        filters = DynamicFilters(
            self.width, self.kernel_size, form=self.filtering, name="filters", **types
        )
        features = nn.relu(filters(features, mask_features))
        skip = Conv(self.skip_width, 1, kernel_init=he, name="skip", **types)(features)
        return features, mask_features, nn.relu(skip)


class Encoder(nn.Module):
    """Levels 1 .. L. The last entry of a sequence applies to all deeper levels.

    Attributes:
        depth: L.
        kernel_sizes: by level.
        widths: channels of the features by level.
        skip_widths: channels of the skip connections by level.
        mask_width: channels of the mask features.
        filtering: form of dynamic filtering.
        remat: keep only the inputs of each level for the backward pass.
    """

    depth: int
    kernel_sizes: Sequence[int]
    widths: Sequence[int]
    skip_widths: Sequence[int]
    mask_width: int
    filtering: Form = "factored"
    remat: bool = False
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, masked_image: jax.Array, mask: jax.Array) -> list[jax.Array]:
        """Computes the skip connections that the decoders read.

        Args:
            masked_image: (N, H, W, 3), 0 in holes.
            mask: (N, H, W, 1).

        Returns:
            Skip connections e_0 .. e_L; e_0 is the masked image, concatenated with the mask
            repeated to three channels.
        """
        # The release repeats the mask three times; released weights need all three.
        mask_features = jnp.repeat(mask, 3, axis=-1)
        features = jnp.concatenate([masked_image, mask_features], axis=-1)
        skips = [features]
        for i in range(self.depth):
            level = EncoderLevel(
                kernel_size=_of_level(self.kernel_sizes, i),
                mask_width=self.mask_width,
                width=_of_level(self.widths, i),
                skip_width=_of_level(self.skip_widths, i),
                filtering=self.filtering,
                dtype=self.dtype,
                param_dtype=self.param_dtype,
                name=f"level_{i + 1}",
            )
            features, mask_features, skip = level_call(level, self.remat)(features, mask_features)
            skips.append(skip)
        return skips


def _of_level(values: Sequence[int], index: int) -> int:
    return values[min(index, len(values) - 1)]
