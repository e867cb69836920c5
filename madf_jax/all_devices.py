"""Frozen networks applied to any number of images, on all devices of this process."""

import copy
from collections.abc import Callable
from typing import Any, Self

import jax
import numpy as np
from jax.sharding import Mesh, NamedSharding
from jax.sharding import PartitionSpec as P

# Pixels on a device at a time. The largest network, LPIPS on VGG-16, takes about 1.5 KB for each.
_PIXELS = 2**19
_AXIS = "images"


class OnAllDevices:
    """A function of variables and image batches, compiled once for each size of image.

    The last batch is filled up, so that one program serves all, and each device gets an equal part.

    Args:
        function: `(variables, *images) -> array`; images are uint8 (N, H, W, C), and row i of the
            result (N, ...) depends on the images i alone.
        variables: of the function; copied to each device.
        batch_size: images at a time, rounded up to a multiple of the devices; large images come in
            smaller batches.
        images_of: whole images that the function holds for each of a batch: 2 for a distance.
        precision: of matmuls: 'highest' keeps float32's where a platform's default is less; None
            leaves it to the function and the platform.
    """

    def __init__(
        self,
        function: Callable[..., jax.Array],
        variables: Any,
        batch_size: int,
        images_of: int = 1,
        *,
        precision: str | None = "highest",
    ) -> None:
        mesh = Mesh(np.asarray(jax.local_devices()), (_AXIS,))
        self._everywhere, self._by_image = (NamedSharding(mesh, spec) for spec in (P(), P(_AXIS)))
        self._variables = jax.device_put(variables, self._everywhere)
        self._batch_size, self._images_of = batch_size, images_of
        self._precision = precision
        self._function = jax.jit(
            jax.shard_map(
                lambda variables, images: function(variables, *images),
                mesh=mesh,
                in_specs=(P(), P(_AXIS)),
                out_specs=P(_AXIS),
                check_vma=False,
            )
        )

    def with_variables(self, variables: Any) -> Self:
        """The same programs with other variables."""
        other = copy.copy(self)
        other._variables = jax.device_put(variables, self._everywhere)
        return other

    def __call__(self, *images: np.ndarray) -> np.ndarray:
        """The function of all images, (N, ...)."""
        size = self._size_for(*images[0].shape[1:3])
        starts = range(0, len(images[0]), size)
        return np.concatenate([self._run(size, *(i[s : s + size] for i in images)) for s in starts])

    def _size_for(self, height: int, width: int) -> int:
        devices = self._by_image.mesh.size
        fitting = max(1, _PIXELS // (height * width * self._images_of))
        return devices * min(fitting, -(-self._batch_size // devices))

    def _run(self, size: int, *images: np.ndarray) -> np.ndarray:
        filled = [np.resize(batch, (size, *batch.shape[1:])) for batch in images]
        with jax.default_matmul_precision(self._precision):
            output = self._function(self._variables, jax.device_put(filled, self._by_image))
        return np.asarray(output)[: len(images[0])]
