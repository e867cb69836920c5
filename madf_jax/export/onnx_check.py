"""Whether onnxruntime computes with an exported network what JAX computes."""

from __future__ import annotations

import dataclasses
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np

from madf_jax.errors import UserError
from madf_jax.network import composite, denormalize, normalize
from madf_jax.weights import Weights

_TOLERANCE = 1e-4
_LEVELS = 1  # of 255, where rounding may fall on the other side


@dataclasses.dataclass(frozen=True)
class Example:
    """A random batch with holes, and what JAX makes of it.

    Attributes:
        image: (N, H, W, 3), uint8.
        mask: (N, H, W, 1), uint8, 1 = known.
        output: (N, H, W, 3), float32, ImageNet-normalized.
    """

    image: np.ndarray
    mask: np.ndarray
    output: np.ndarray

    @classmethod
    def of(cls, model: Weights) -> Example:
        """Two images wider than high, no larger than the network needs."""
        side, rng = 2**model.network.depth, np.random.default_rng(0)
        size = (2, side, 2 * side)
        image = rng.integers(0, 256, (*size, 3), dtype=np.uint8)
        mask = (rng.random((*size, 1)) > 0.3).astype(np.uint8)

        def last(variables: Any, image: jax.Array, mask: jax.Array) -> jax.Array:
            return model.network.apply(variables, normalize(image), mask, train=False)[-1]

        return cls(image, mask, np.asarray(jax.jit(last)(model.variables, image, mask)))


def check_network(content: bytes, example: Example, *, exact: bool) -> float:
    """Runs the bare network.

    Args:
        content: of the ONNX file.
        example: what JAX makes of it is the truth.
        exact: refuse a deviation above 1e-4; otherwise only what is not finite.

    Returns:
        The largest difference of the two outputs over JAX's largest value.

    Raises:
        UserError: they differ too much.
    """
    image, mask = np.asarray(normalize(jnp.asarray(example.image))), example.mask.astype(np.float32)
    found, wanted = _run(content, {"image": image, "mask": mask}), example.output
    deviation = float(np.abs(found - wanted).max() / np.abs(wanted).max())
    if not (deviation <= _TOLERANCE if exact else np.isfinite(deviation)):
        raise UserError(
            f"onnxruntime's output is off by {deviation:.2g} of JAX's largest value; "
            + (f"{_TOLERANCE:g} is allowed" if exact else "the network needs float32")
        )
    return deviation


def check_composite(content: bytes, example: Example, *, exact: bool) -> None:
    """Runs the network with 8-bit images.

    Args:
        content: of the ONNX file.
        example: what JAX makes of it is the truth.
        exact: refuse painted pixels that differ by more than one level of 255.

    Raises:
        UserError: they differ too much, or a known pixel differs at all.
    """
    image, mask = example.image, example.mask
    found = _run(content, {"image": image, "mask": mask})
    painted = denormalize(jnp.asarray(example.output))
    wanted = np.asarray(composite(jnp.asarray(image), painted, jnp.asarray(mask)))
    off = np.abs(found.astype(int) - wanted.astype(int))
    if (off * mask).any() or (exact and off.max() > _LEVELS):
        raise UserError(f"onnxruntime's composite is off by {off.max()} of 255 levels from JAX's")


def _run(content: bytes, inputs: dict[str, np.ndarray]) -> np.ndarray:
    import onnxruntime

    session = onnxruntime.InferenceSession(content, providers=["CPUExecutionProvider"])
    return session.run(None, inputs)[0]
