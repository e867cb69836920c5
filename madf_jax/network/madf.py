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


class MADF(nn.Module):
    """Image inpainting by end-to-end cascaded refinement with mask awareness (arXiv 2104.13743).

    The defaults are the setting of the PyTorch reference: 85,139,966 parameters.

    Attributes:
        depth: levels of the encoder, L >= 3; both sides of an image must be multiples of 2**L.
        refinements: refinement decoders, J >= 0.
        kernel_sizes: kernel sizes of the encoder by level; the last entry serves all deeper levels,
            here and below.
        widths: channels of the encoder's features by level.
        skip_widths: channels of the skip connections and of the decoders by level.
        mask_width: channels of the mask features.
        hidden: channels inside point-wise normalization.
        filtering: 'factored' or 'patches', two forms of the same function (`dynamic_filtering`).
        remat: what the backward pass computes anew instead of keeping it: 'none', the levels of the
            'decoders', or 'everything', the encoder's levels too. Changes memory and time only.
        axis_name: mapped axis over which batch statistics are synchronized; None takes each
            device's own.
        dtype: of computation; None takes the promoted dtype of inputs and parameters.
        param_dtype: of storage.
    """

    depth: int = 7
    refinements: int = 2
    kernel_sizes: Sequence[int] = (7, 5, 3)
    widths: Sequence[int] = (16, 32, 64, 128)
    skip_widths: Sequence[int] = (64, 128, 256, 512)
    mask_width: int = 16
    hidden: int = 128
    filtering: Form = "factored"
    remat: Remat = "none"
    axis_name: str | None = None
    dtype: Dtype | None = None
    param_dtype: Dtype = jnp.float32

    @nn.compact
    def __call__(self, image: jax.Array, mask: jax.Array, *, train: bool) -> tuple[jax.Array, ...]:
        """Paints.

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
        # `where`, not a product: what stands under a hole can't leak in, not even a NaN.
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
            decoder = RefinementDecoder(self.hidden, name=f"refinement_decoder_{j}", **decoding)
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
        for name in ("mask_width", "hidden"):
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
