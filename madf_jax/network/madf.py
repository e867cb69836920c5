"""The whole network: encoder, recovery decoder, refinement decoders."""

from collections.abc import Sequence

import flax.linen as nn
import jax
import jax.numpy as jnp
from flax.typing import Dtype

from madf_jax.network.decoders import RecoveryDecoder, RefinementDecoder
from madf_jax.network.dynamic_filtering import Form
from madf_jax.network.encoder import Encoder
from madf_jax.network.rematerialization import Remat
from madf_jax.options import option

# Far beyond use (65,536 pixels a side): a hostile description must not take endless time.
_MOST_LEVELS = 16
_MOST_REFINEMENTS = 16
_MOST_CHANNELS = 2**16


class MADF(nn.Module):
    """Image inpainting by end-to-end cascaded refinement with mask awareness (arXiv 2104.13743).

    The defaults are the setting of the PyTorch reference: 85,139,966 parameters.

    Attributes without a comment are keys of a config's section `network`. Settings by level of the
    encoder go from fine to coarse; the last entry applies to all deeper levels.
    """

    depth: int = option(
        7,
        "levels of the encoder; sides of images are multiples of 2**depth",
        minimum=3,
        maximum=_MOST_LEVELS,
        shapes=int,
    )
    refinements: int = option(
        2,
        "refinement decoders after the recovery decoder",
        minimum=0,
        maximum=_MOST_REFINEMENTS,
        shapes=int,
    )
    kernel_sizes: Sequence[int] = option(
        (7, 5, 3),
        "of the encoder by level; the last serves all deeper",
        minimum=1,
        maximum=_MOST_CHANNELS,
        odd=True,
        min_length=1,
        max_length=_MOST_LEVELS,
        shapes=tuple,
    )
    widths: Sequence[int] = option(
        (16, 32, 64, 128),
        "channels of the encoder by level, likewise",
        minimum=1,
        maximum=_MOST_CHANNELS,
        min_length=1,
        max_length=_MOST_LEVELS,
        shapes=tuple,
    )
    skip_widths: Sequence[int] = option(
        (64, 128, 256, 512),
        "channels of skips and decoders by level",
        minimum=1,
        maximum=_MOST_CHANNELS,
        min_length=1,
        max_length=_MOST_LEVELS,
        shapes=tuple,
    )
    mask_width: int = option(
        16,
        "channels of the mask features that make the filters",
        minimum=1,
        maximum=_MOST_CHANNELS,
        shapes=int,
    )
    norm_hidden: int = option(
        128,
        "channels inside point-wise normalization",
        minimum=1,
        maximum=_MOST_CHANNELS,
        shapes=int,
    )
    filtering: Form = option(
        "factored", "'factored' (fast) or 'patches' (the definition)", free="rounding and speed"
    )
    remat: Remat = option(
        "none",
        "recomputed to save memory: 'none', 'decoders' or 'everything'",
        free="memory and time",
    )
    # The mapped axis over which batch statistics are synchronized; None uses each device's own.
    axis_name: str | None = None
    # None promotes the dtypes of inputs and parameters.
    dtype: Dtype | None = option(
        None,
        "of computation: 'float32' or 'bfloat16'",
        key_default="float32",
        choices=("float32", "bfloat16"),
        free="rounding, memory and time",
    )
    # The averages of parameters and of squared gradients change too little for bfloat16.
    param_dtype: Dtype = option(
        jnp.float32, "of storage; no other trains", key_default="float32", choices=("float32",)
    )

    @nn.compact
    def __call__(self, image: jax.Array, mask: jax.Array, *, train: bool) -> tuple[jax.Array, ...]:
        """Computes the images of the cascade.

        Args:
            image: (N, H, W, 3), float, ImageNet-normalized; pixels under holes are not read.
            mask: (N, H, W, 1), 1 = known, 0 = hole, any real dtype.
            train: normalize by the batch's statistics and update the running ones (`batch_stats`
                must be mutable).

        Returns:
            The J + 1 images of the cascade from coarse to fine, each (N, H, W, 3),
            ImageNet-normalized.

        Raises:
            ValueError: wrong rank, channels or size.
        """
        self._check(image, mask)
        mask = mask.astype(image.dtype)
        # Not a product: pixels under a hole must not leak in, not even a NaN.
        masked_image = jnp.where(mask > 0.5, image, 0)
        types = {"dtype": self.dtype, "param_dtype": self.param_dtype}
        encoder = Encoder(
            depth=self.depth,
            kernel_sizes=self.kernel_sizes,
            widths=self.widths,
            skip_widths=self.skip_widths,
            mask_width=self.mask_width,
            filtering=self.filtering,
            remat=self.remat == "everything",
            name="encoder",
            **types,
        )
        skips = encoder(masked_image, mask)
        decoding = {"axis_name": self.axis_name, "remat": self.remat != "none", **types}
        recovery = RecoveryDecoder(name="recovery_decoder", **decoding)
        features = recovery(skips, train=train)
        outputs = [features[0]]
        for j in range(self.refinements):
            decoder = RefinementDecoder(
                self.norm_hidden, name=f"refinement_decoder_{j}", **decoding
            )
            output, features = decoder(skips, features, outputs, train=train)
            outputs.append(output)
        return tuple(outputs)

    def _check(self, image: jax.Array, mask: jax.Array) -> None:
        if self.depth < 3 or self.refinements < 0:
            raise ValueError(
                f"network.depth is {self.depth} and network.refinements {self.refinements}; "
                "use a depth of at least 3 and at least 0 refinements"
            )
        for name in ("kernel_sizes", "widths", "skip_widths"):
            values = tuple(getattr(self, name))
            odd = name != "kernel_sizes" or all(value % 2 for value in values)
            if not (values and min(values) >= 1 and odd):
                kind = "odd numbers" if name == "kernel_sizes" else "numbers of channels"
                raise ValueError(f"network.{name} is {values}; give one or more {kind}, by level")
        for name in ("mask_width", "norm_hidden"):
            if getattr(self, name) < 1:
                raise ValueError(f"network.{name} is {getattr(self, name)}; use 1 or more")
        if self.remat not in ("none", "decoders", "everything"):
            raise ValueError(
                f"network.remat is {self.remat!r}; use 'none', 'decoders' or 'everything'"
            )
        if image.ndim != 4 or image.shape[-1] != 3:
            raise ValueError(f"image has shape {image.shape}; give (N, H, W, 3)")
        if mask.shape != (*image.shape[:3], 1):
            raise ValueError(
                f"mask has shape {mask.shape}; "
                f"give {(*image.shape[:3], 1)} for an image {image.shape}"
            )
        step = 2**self.depth
        if image.shape[1] % step or image.shape[2] % step:
            fits = tuple(max(1, round(side / step)) * step for side in image.shape[1:3])
            raise ValueError(
                f"image is {image.shape[1]}x{image.shape[2]} (HxW), "
                f"but depth {self.depth} needs multiples of {step}; "
                f"resize or pad it, for example to {fits[0]}x{fits[1]}, or lower network.depth"
            )
