"""Image metrics of the inpainting literature, computed by scikit-image on 8-bit composites."""

from collections.abc import Callable, Mapping
from typing import NamedTuple

import numpy as np
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def psnr(painted: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio, decibels; infinite for identical images."""
    if np.array_equal(painted, original):
        return float("inf")
    return float(peak_signal_noise_ratio(original, painted, data_range=255))


def ssim(painted: np.ndarray, original: np.ndarray) -> float:
    """Structural similarity, at most 1, with the Gaussian window of Wang et al. (2004), sigma 1.5.

    This is the variant of MAT and mmagic; scikit-image's default window (7x7, uniform) gives other
    values.
    """
    return float(
        structural_similarity(
            original,
            painted,
            data_range=255,
            channel_axis=-1,
            gaussian_weights=True,
            sigma=1.5,
            use_sample_covariance=False,
        )
    )


def l1(painted: np.ndarray, original: np.ndarray) -> float:
    """Mean absolute error over all pixels and channels, percent of 255."""
    return float(np.mean(np.abs(painted.astype(np.float64) - original)) / 255 * 100)


def hole_l1(painted: np.ndarray, original: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute error over the hole's pixels, percent of 255; 0 without a hole."""
    hole = mask[..., 0] == 0
    return l1(painted[hole], original[hole]) if hole.any() else 0.0


class Metric(NamedTuple):
    """How a metric is computed and what tables call it.

    Attributes:
        heading: name and unit.
        value: of a composite, its original and its mask, as `score` takes them.
    """

    heading: str
    value: Callable[[np.ndarray, np.ndarray, np.ndarray], float]


METRICS: dict[str, Metric] = {
    "psnr": Metric("PSNR dB", lambda painted, original, mask: psnr(painted, original)),
    "ssim": Metric("SSIM", lambda painted, original, mask: ssim(painted, original)),
    "l1": Metric("L1 %", lambda painted, original, mask: l1(painted, original)),
    "hole_l1": Metric("hole L1 %", hole_l1),
}
"""Every metric by the name it has in reports."""


def score(
    painted: np.ndarray,
    original: np.ndarray,
    mask: np.ndarray,
    metrics: Mapping[str, Metric] = METRICS,
) -> dict[str, float]:
    """The value of each metric, by name.

    Args:
        painted: (H, W, 3), uint8, a composite.
        original: (H, W, 3), uint8.
        mask: (H, W, 1), uint8, 1 = known.
        metrics: to compute.

    Raises:
        ValueError: shapes or dtypes differ from these, or a side is below the 11 pixels of SSIM's
            window.
    """
    height, width = original.shape[:2]
    expected = ((height, width, 3), (height, width, 3), (height, width, 1))
    given = (painted.shape, original.shape, mask.shape)
    if given != expected or {painted.dtype, original.dtype} != {np.dtype(np.uint8)}:
        raise ValueError(
            f"metrics take two uint8 images (H, W, 3) and a mask (H, W, 1), got {given}, "
            f"{painted.dtype} and {original.dtype}"
        )
    return {name: metric.value(painted, original, mask) for name, metric in metrics.items()}
