"""The network of arXiv 2104.13743 in linen modules.

Contract of every module here. Axes: N batch, H and W rows and columns, C channels; images and
features are NHWC. `image` is float, ImageNet-normalized (`pixels.normalize`); `mask` is (N, H, W,
1), 1 = known, 0 = hole. As in flax, `dtype` is that of computation (None promotes the dtypes of
inputs and parameters) and `param_dtype` that of storage; batch statistics are at least float32.
Level i works at 1 / 2**i of the image's size. Every child has an explicit name: the tree of names
is a published interface.
"""

from madf_jax.network.madf import MADF
from madf_jax.network.pixels import composite, denormalize, normalize

__all__ = ["MADF", "composite", "denormalize", "normalize"]
