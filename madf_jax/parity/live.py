"""Comparison with the PyTorch reference itself, run from a checkout that the user has."""

import dataclasses
import statistics
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import jax
import jax.numpy as jnp
import numpy as np
from PIL import Image, ImageDraw

from madf_jax.data.images import read_image
from madf_jax.data.mask_files import read_mask_file
from madf_jax.errors import UserError
from madf_jax.evaluation.grids import image_rows
from madf_jax.network import composite, denormalize, normalize
from madf_jax.parity.checkout import reference_network
from madf_jax.parity.computed import on_device, precision_of
from madf_jax.parity.deviation import relative_error
from madf_jax.weights.generator import to_reference
from madf_jax.weights.model import Weights
from madf_jax.weights.torch_files import import_torch

_RUNS = 5
_CAPTION = 16


@dataclasses.dataclass(frozen=True)
class Comparison:
    """Both networks on the same input. Arrays are (1, H, W, 3), ImageNet-normalized.

    Attributes:
        image: the input of both.
        mask: (1, H, W, 1), 1 = known.
        ours: outputs of this package.
        theirs: outputs of the PyTorch reference.
        our_seconds: median time of a run.
        their_seconds: the same of the reference.
    """

    image: np.ndarray
    mask: np.ndarray
    ours: list[np.ndarray]
    theirs: list[np.ndarray]
    our_seconds: float
    their_seconds: float


def compare_live(
    directory: Path, weights: Weights, image: np.ndarray, mask: np.ndarray, *, double: bool
) -> Comparison:
    """Runs both networks in inference mode.

    Args:
        directory: the checkout.
        weights: of a network whose widths are the published ones.
        image: (H, W, 3), uint8, sides multiples of 2**depth.
        mask: (H, W, 1), uint8, 1 = known.
        double: compute in float64 instead of float32.

    Raises:
        UserError: PyTorch is missing, the checkout has no generator, or the weights do not fit it.
    """
    torch = import_torch()
    depth = weights.network.depth
    step = 2**depth
    if image.shape[0] % step or image.shape[1] % step:
        raise UserError(f"--size must be a multiple of {step}: the weights have {depth} levels")
    network = reference_network(directory, depth, weights.network.refinements)
    _load(torch, network, weights, directory)
    x, m = np.asarray(normalize(jnp.asarray(image[None]))), mask[None]
    theirs, their_seconds = _timed(_run_reference(torch, network, x, m, double=double))
    ours, our_seconds = _run_ours(weights, x, m, double=double)
    if len(ours) != len(theirs):
        raise UserError(f"{directory}: its network has {len(theirs)} outputs, not {len(ours)}")
    return Comparison(x, m, ours, theirs, our_seconds, their_seconds)


def read_inputs(image: Path | None, mask: Path | None, size: int) -> tuple[np.ndarray, np.ndarray]:
    """An image and a mask, both squashed to a square, as the reference tests.

    Args:
        image: file of an image; None generates one, always the same.
        mask: file of a mask, black = hole; None likewise.
        size: side, pixels.

    Returns:
        uint8 (S, S, 3), and uint8 (S, S, 1), 1 = known.
    """
    if image is None:
        coarse = np.random.default_rng(0).integers(0, 256, (8, 8, 3), np.uint8)
        opened = Image.fromarray(coarse)
    else:
        opened = Image.fromarray(read_image(image))
    pixels = np.asarray(opened.resize((size, size), Image.Resampling.BICUBIC))
    if mask is not None:
        return pixels, read_mask_file(mask).mask("black", size)
    known = np.ones((size, size, 1), np.uint8)
    known[size // 4 : size // 2, size // 3 : size * 3 // 4] = 0
    return pixels, known


def format_comparison(comparison: Comparison) -> str:
    """A line for each output, and one for the times."""
    lines = [
        f"output {i}: largest difference {np.abs(ours - theirs).max():.1e}, "
        f"relative {relative_error(ours, theirs):.1e}"
        for i, (ours, theirs) in enumerate(zip(comparison.ours, comparison.theirs, strict=True))
    ]
    ours, theirs = comparison.our_seconds, comparison.their_seconds
    return "\n".join(
        [
            *lines,
            f"median time of {_RUNS} runs: PyTorch reference {1e3 * theirs:.1f} ms, "
            f"this package {1e3 * ours:.1f} ms, {theirs / ours:.2f} times as fast",
        ]
    )


def draw_comparison(comparison: Comparison) -> tuple[Image.Image, float]:
    """Masked image, both composites and their difference, and the factor that amplifies it."""
    image, mask = jnp.asarray(comparison.image), jnp.asarray(comparison.mask)
    painted = [
        np.asarray(denormalize(composite(image, jnp.asarray(outputs[-1], image.dtype), mask)))
        for outputs in (comparison.theirs, comparison.ours)
    ]
    difference = np.abs(comparison.ours[-1] - comparison.theirs[-1])
    # A power of ten, easy to divide out again.
    factor = 10.0 ** np.floor(np.log10(1 / max(float(difference.max()), 1e-30)))
    amplified = np.clip(255 * factor * difference, 0, 255).astype(np.uint8)
    masked = np.where(mask, np.asarray(denormalize(image)), np.uint8(128))
    pixels = image_rows(masked, *painted, amplified)
    drawn = Image.new("RGB", (pixels.shape[1], pixels.shape[0] + _CAPTION), "white")
    drawn.paste(Image.fromarray(pixels), (0, _CAPTION))
    captions = ("masked", "PyTorch reference", "this package", f"difference x {factor:.0e}")
    for i, caption in enumerate(captions):
        ImageDraw.Draw(drawn).text((i * pixels.shape[1] // 4 + 4, 2), caption, fill="black")
    return drawn, float(factor)


def _load(torch: Any, network: Any, weights: Weights, directory: Path) -> None:
    tensors: Mapping[str, Any] = {
        name: torch.tensor(np.array(array))
        for name, array in to_reference(weights.variables, weights.network).items()
    }
    try:
        network.load_state_dict(tensors, strict=True)
    except RuntimeError as error:
        reason = " ".join(str(error).split())[:500]
        raise UserError(f"{directory}: its network does not accept the weights: {reason}") from None


def _run_reference(
    torch: Any, network: Any, image: np.ndarray, mask: np.ndarray, *, double: bool
) -> Callable[[], list[np.ndarray]]:
    dtype = torch.float64 if double else torch.float32
    network.to(dtype)
    network.eval()  # its own version of this returns nothing
    known = torch.tensor(mask.transpose(0, 3, 1, 2).repeat(3, axis=1)).to(dtype)
    masked = torch.tensor(image.transpose(0, 3, 1, 2).copy()).to(dtype) * known

    def run() -> list[np.ndarray]:
        with torch.no_grad():
            outputs = network(masked, known)
        outputs = outputs if isinstance(outputs, list | tuple) else [outputs]
        return [output.numpy().transpose(0, 2, 3, 1) for output in outputs]

    return run


def _run_ours(
    weights: Weights, image: np.ndarray, mask: np.ndarray, *, double: bool
) -> tuple[list[np.ndarray], float]:
    with precision_of("float64" if double else "float32"):
        dtype = jnp.float64 if double else jnp.float32
        network = weights.network.clone(param_dtype=dtype)
        variables = on_device(weights.variables, dtype)
        inputs = jnp.asarray(image, dtype), jnp.asarray(mask)
        apply = jax.jit(lambda variables, *x: network.apply(variables, *x, train=False))
        return _timed(lambda: list(jax.device_get(apply(variables, *inputs))))


def _timed(run: Callable[[], list[np.ndarray]]) -> tuple[list[np.ndarray], float]:
    outputs, seconds = run(), []
    for _ in range(_RUNS):
        start = time.perf_counter()
        outputs = run()
        seconds.append(time.perf_counter() - start)
    return outputs, statistics.median(seconds)
