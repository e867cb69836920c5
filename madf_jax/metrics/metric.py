"""What a metric of one image is, and every one that needs no network."""

from collections.abc import Callable, Mapping, Sequence
from typing import NamedTuple

import numpy as np

from madf_jax.metrics import image_quality

BatchValues = Callable[[np.ndarray, np.ndarray, np.ndarray], Sequence[float] | np.ndarray]
"""Composites, originals and masks of a batch to a value for each image."""


class Metric(NamedTuple):
    """How a metric is computed and what tables call it.

    Attributes:
        heading: name and unit.
        values: of a batch, as `score_batch` takes it.
        higher_is_better: whether a larger value is the better one.
        min_side: pixels that both sides of an image must have.
    """

    heading: str
    values: BatchValues
    higher_is_better: bool
    min_side: int = 1


def _of_pairs(function: Callable[[np.ndarray, np.ndarray], float]) -> BatchValues:
    return lambda painted, originals, masks: [
        function(*pair) for pair in zip(painted, originals, strict=True)
    ]


def _of_triples(function: Callable[[np.ndarray, np.ndarray, np.ndarray], float]) -> BatchValues:
    return lambda *arrays: [function(*triple) for triple in zip(*arrays, strict=True)]


METRICS: dict[str, Metric] = {
    "psnr": Metric("PSNR dB", _of_pairs(image_quality.psnr), True),
    "psnr_gray": Metric("PSNR gray dB", _of_pairs(image_quality.psnr_gray), True),
    "ssim": Metric("SSIM", _of_pairs(image_quality.ssim), True, 11),
    "ssim_lama": Metric("SSIM lama", _of_pairs(image_quality.ssim_lama), True),
    "ssim_7x7": Metric("SSIM 7x7", _of_pairs(image_quality.ssim_7x7), True, 7),
    "ssim_gray51": Metric("SSIM gray51", _of_pairs(image_quality.ssim_gray51), True, 51),
    "l1": Metric("L1 %", _of_pairs(image_quality.l1), False),
    "hole_l1": Metric("hole L1 %", _of_triples(image_quality.hole_l1), False),
    "mae_edgeconnect": Metric("MAE-EC %", _of_pairs(image_quality.mae_edgeconnect), False),
}
"""Metrics by the name they have in reports."""


def score_batch(
    painted: np.ndarray,
    originals: np.ndarray,
    masks: np.ndarray,
    metrics: Mapping[str, Metric],
) -> list[dict[str, float]]:
    """The value of each metric, by name, for each image of a batch.

    Args:
        painted: (N, H, W, 3), uint8, composites.
        originals: (N, H, W, 3), uint8.
        masks: (N, H, W, 1), uint8, 1 = known.
        metrics: to compute.

    Raises:
        ValueError: shapes or dtypes differ from these, or a side is below a metric's `min_side`.
    """
    count, height, width = originals.shape[:3]
    expected = ((count, height, width, 3), (count, height, width, 3), (count, height, width, 1))
    given = (painted.shape, originals.shape, masks.shape)
    if given != expected or {painted.dtype, originals.dtype} != {np.dtype(np.uint8)}:
        raise ValueError(
            f"metrics take two uint8 batches (N, H, W, 3) and masks (N, H, W, 1), got {given}, "
            f"{painted.dtype} and {originals.dtype}"
        )
    for metric in metrics.values():
        if min(height, width) < metric.min_side:
            raise ValueError(
                f"{metric.heading} needs sides of {metric.min_side} pixels, got {height}x{width}"
            )
    columns = {name: m.values(painted, originals, masks) for name, m in metrics.items()}
    return [{name: float(values[i]) for name, values in columns.items()} for i in range(count)]
