"""The network as an `Inpaint`: 8-bit images in, 8-bit images out."""

from typing import Any

import jax

from madf_jax.all_devices import OnAllDevices
from madf_jax.inference.inpaint import Inpaint
from madf_jax.network import MADF, denormalize, normalize


class Painter:
    """Inference with one network on all devices of this process.

    It is compiled once for each size of image, and serves any variables.

    Args:
        network: whose last output is taken.
        batch_size: images at a time, see `OnAllDevices`.
    """

    def __init__(self, network: MADF, batch_size: int) -> None:
        def output(variables: Any, images: jax.Array, masks: jax.Array) -> jax.Array:
            return denormalize(network.apply(variables, normalize(images), masks, train=False)[-1])

        self._paint = OnAllDevices(output, None, batch_size, precision=None)

    def with_variables(self, variables: Any) -> Inpaint:
        """The network with these `params` and `batch_stats`, as an `Inpaint`.

        Its results are the network's own in known pixels, too: compositing is up to the caller.
        """
        return self._paint.with_variables(variables)
