"""The network as an `Inpaint`: 8-bit images in, 8-bit images out."""

import functools
from typing import Any

import jax
import numpy as np

from madf_jax.inference.inpaint import Inpaint
from madf_jax.network import MADF, denormalize, normalize


class Painter:
    """Inference with one network, compiled once for each size of image.

    Args:
        network: whose last output is taken.
        batch_size: images at a time. Smaller batches are filled up and larger ones split, so that
            one program serves all.
    """

    def __init__(self, network: MADF, batch_size: int) -> None:
        self._batch_size = batch_size

        @jax.jit
        def output(variables: Any, images: jax.Array, masks: jax.Array) -> jax.Array:
            return denormalize(network.apply(variables, normalize(images), masks, train=False)[-1])

        self._output = output

    def with_variables(self, variables: Any) -> Inpaint:
        """The network with these `params` and `batch_stats`, as an `Inpaint`.

        Its results are the network's own in known pixels, too: compositing is up to the caller.
        """
        return functools.partial(self._paint, variables)

    def _paint(self, variables: Any, images: np.ndarray, masks: np.ndarray) -> np.ndarray:
        painted = np.empty_like(images)
        for start in range(0, len(images), self._batch_size):
            part = slice(start, start + self._batch_size)
            filled = [
                np.resize(array[part], (self._batch_size, *array.shape[1:]))
                for array in (images, masks)
            ]
            output = jax.device_get(self._output(variables, *filled))
            painted[part] = output[: len(images[part])]
        return painted
