"""The network as a function from 8-bit images to 8-bit images."""

from collections.abc import Callable
from typing import Any

import jax
import numpy as np

from madf_jax.network import MADF, composite, denormalize, normalize

Painter = Callable[[Any, np.ndarray, np.ndarray], tuple[np.ndarray, np.ndarray]]


def make_painter(network: MADF) -> Painter:
    """Compiles inference.

    Returns:
        A function of the network's variables, uint8 images (N, H, W, 3) and uint8 masks (N, H, W,
        1), 1 = known. It gives two uint8 arrays (N, H, W, 3): the last output of the cascade, and
        its composite with the known pixels.
    """

    @jax.jit
    def paint(variables: Any, image: jax.Array, mask: jax.Array) -> tuple[jax.Array, jax.Array]:
        outputs = network.apply(variables, normalize(image), mask, train=False)
        output = denormalize(outputs[-1])
        return output, composite(image, output, mask)

    def on_host(variables: Any, image: np.ndarray, mask: np.ndarray) -> tuple[Any, Any]:
        return jax.device_get(paint(variables, image, mask))

    return on_host
