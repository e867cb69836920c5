"""The network as compiled programs, one for each shape of a batch."""

import math
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from madf_jax.compiler import Costs, compile_counted, persistent_compilation_cache
from madf_jax.errors import UserError
from madf_jax.inference.sizes import Shape
from madf_jax.network import MADF, normalize
from madf_jax.network.pixels import IMAGENET_MEAN, IMAGENET_STD

Output = Callable[[Any, jax.Array, jax.Array], jax.Array]
"""The last output of the cascade as JAX traces it.

Args:
    variables: what the network is applied with.
    image: (N, H, W, 3), float32 in [0, 255], RGB; pixels under holes are not read.
    mask: (N, H, W, 1), uint8, 1 = known, 0 = hole.

Returns:
    (N, H, W, 3), float32 in [0, 255].
"""


def _output_of(network: MADF) -> Output:
    """The `Output` of a network, with `{'params', 'batch_stats'}` as its variables."""

    def output(variables: Any, image: jax.Array, mask: jax.Array) -> jax.Array:
        return to_pixels(network.apply(variables, normalize(image), mask, train=False)[-1])

    return output


def to_pixels(image: jax.Array) -> jax.Array:
    """An ImageNet-normalized image as float32 in [0, 255], not rounded."""
    mean, std = (jnp.asarray(value, jnp.float32) for value in (IMAGENET_MEAN, IMAGENET_STD))
    return jnp.clip(image.astype(jnp.float32) * std + mean, 0.0, 1.0) * 255.0


class CompiledNetwork:
    """The last output of the cascade for batches on the host; compiles when a shape is new.

    Args:
        output: the network.
        variables: its first argument, moved to the default device.
        multiple: of which sides must be, in pixels.
        cache: a directory that keeps programs for later processes.

    Attributes:
        multiple: as above.
        batch_size: a CPU gains nothing by more images at once than one.
    """

    def __init__(
        self, output: Output, variables: Mapping[str, Any], multiple: int, cache: Path | None = None
    ) -> None:
        self.multiple = multiple
        self.batch_size = 1 if jax.default_backend() == "cpu" else 8
        self._variables = jax.device_put(dict(variables))
        self._cache = cache
        self._programs: dict[Shape, tuple[jax.stages.Compiled, Costs]] = {}
        self._output = jax.jit(output)

    @classmethod
    def of(
        cls, network: MADF, variables: Mapping[str, Any], cache: Path | None = None
    ) -> "CompiledNetwork":
        """A network with its `{'params', 'batch_stats'}`."""
        return cls(_output_of(network), variables, 2**network.depth, cache)

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Runs the network.

        Args:
            image: (N, H, W, 3), float32 in [0, 255], RGB; pixels under holes are not read. H and W
                are multiples of `multiple`.
            mask: (N, H, W, 1), uint8, 1 = known, 0 = hole.

        Returns:
            (N, H, W, 3), float32 in [0, 255], not rounded; known pixels are the network's too.

        Raises:
            UserError: the device has not enough memory.
        """
        try:
            program, _ = self._compiled(image.shape[:3])
            return np.asarray(program(self._variables, image, mask))
        except jax.errors.JaxRuntimeError as error:
            if "RESOURCE_EXHAUSTED" not in str(error):
                raise
            size = "x".join(map(str, image.shape[:3]))
            raise UserError(
                f"the device has not enough memory for {size} pixels; lower the memory limit"
            ) from None

    def compile(self, shape: Shape) -> None:
        """Compiles ahead for batches of a shape (N, H, W)."""
        self._compiled(shape)

    def working_bytes(self, shape: Shape) -> float:
        """Memory that a call for batches of a shape (N, H, W) takes besides the weights.

        By the compiler for what is compiled, in proportion for other shapes; the first one asked
        about is compiled for it.
        """
        if not self._programs or shape in self._programs:
            return _bytes(self._compiled(shape)[1])
        per_pixel = [_bytes(costs) / math.prod(of) for of, (_, costs) in self._programs.items()]
        return max(per_pixel) * math.prod(shape)

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """What has been compiled so far, in that order."""
        return tuple(self._programs)

    def _compiled(self, shape: Shape) -> tuple[jax.stages.Compiled, Costs]:
        if shape not in self._programs:
            image = jax.ShapeDtypeStruct((*shape, 3), np.float32)
            mask = jax.ShapeDtypeStruct((*shape, 1), np.uint8)
            with persistent_compilation_cache(self._cache):
                self._programs[shape] = compile_counted(
                    lambda: self._output.lower(self._variables, image, mask)
                )
        return self._programs[shape]


def _bytes(costs: Costs) -> int:
    return costs.temporaries + costs.outputs
