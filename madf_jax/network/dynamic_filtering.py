"""Mask-aware dynamic filtering: each window has its own filter, generated from the mask there.

Paper, section III-B.
"""

import math
from typing import Literal

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype, Initializer
from jax import lax

from madf_jax.layers.convolution import convolution

Form = Literal["factored", "patches"]


def filter_by_windows(
    features: jax.Array, mask_features: jax.Array, kernel: jax.Array, bias: jax.Array
) -> jax.Array:
    """Dynamic filtering by its definition: each window's patch times its own filter bank.

    The filter banks hold H/2 * W/2 * k * k * C * O numbers per sample: 2.7 GiB at 512x512 in the
    reference's setting.

    Args:
        features: (N, H, W, C), H and W even.
        mask_features: (N, H/2, W/2, M).
        kernel: (k, k, C, M, O), maps mask features to filters.
        bias: (k, k, C, O), the filters where all mask features are 0.

    Returns:
        (N, H/2, W/2, O), before the activation.
    """
    size = len(kernel)
    edges = ((size // 2, size // 2),) * 2
    patches = lax.conv_general_dilated_patches(
        features, (size, size), (2, 2), edges, dimension_numbers=("NHWC", "HWIO", "NHWC")
    )
    patches = patches.reshape(*patches.shape[:3], features.shape[-1], size, size)
    filters = jnp.einsum("nhwm,yxcmo->nhwcyxo", mask_features, kernel)
    filters = filters + bias.transpose(2, 0, 1, 3)
    return jnp.einsum("nhwcyx,nhwcyxo->nhwo", patches, filters)


def filter_factored(
    features: jax.Array, mask_features: jax.Array, kernel: jax.Array, bias: jax.Array
) -> jax.Array:
    """The same function as `filter_by_windows`, without building a filter.

    Filters are linear in the mask features, so filtering distributes over them: a convolution with
    M * O outputs, contracted over M, and one for the bias. Exact. Arguments and result are those of
    `filter_by_windows`.
    """
    size, _, channels, mask_width, width = kernel.shape
    basis = kernel.reshape(size, size, channels, mask_width * width)
    responses = convolution(features, basis, 2, size // 2)
    responses = responses.reshape(*mask_features.shape, width)
    filtered = jnp.einsum("nhwm,nhwmo->nhwo", mask_features, responses)
    return filtered + convolution(features, bias, 2, size // 2)


def _filter_init(share: float) -> Initializer:
    """He initialization of generated filters; `share` of their variance is this parameter's."""

    def init(key: jax.Array, shape: tuple[int, ...], dtype: Dtype = jnp.float32) -> jax.Array:
        fan_in = math.prod(shape[:3])
        return math.sqrt(2.0 * share / fan_in) * jax.random.normal(key, shape, dtype)

    return init


class DynamicFilters(nn.Module):
    """Filters an image with filters generated from mask features.

    Attributes:
        width: channels out, O.
        kernel_size: k, odd.
        form: 'factored' or 'patches', the same function (`filter_factored`, `filter_by_windows`).
    """

    width: int
    kernel_size: int
    form: Form = "factored"
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, features: jax.Array, mask_features: jax.Array) -> jax.Array:
        """Applies its own filters to each window, at stride 2.

        Args:
            features: (N, H, W, C), H and W even.
            mask_features: (N, H/2, W/2, M).

        Returns:
            (N, H/2, W/2, O), before the activation.

        Raises:
            ValueError: `form` is unknown.
        """
        forms = {"factored": filter_factored, "patches": filter_by_windows}
        if self.form not in forms:
            raise ValueError(f"network.filtering is {self.form!r}; use one of {sorted(forms)}")
        size, channels, mask_width = self.kernel_size, features.shape[-1], mask_features.shape[-1]
        kernel = self.param(
            "kernel",
            # Half of the variance, spread over the mask features, whose mean square starts at 1.
            _filter_init(0.5 / mask_width),
            (size, size, channels, mask_width, self.width),
            self.param_dtype,
        )
        bias = self.param(
            "bias", _filter_init(0.5), (size, size, channels, self.width), self.param_dtype
        )
        arrays = nn.dtypes.promote_dtype(features, mask_features, kernel, bias, dtype=self.dtype)
        return forms[self.form](*arrays)
