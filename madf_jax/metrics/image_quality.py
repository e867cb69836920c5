"""Image metrics of the inpainting literature, computed by scikit-image on 8-bit composites.

Papers compute PSNR, SSIM and mean absolute errors in several ways that differ by more than the
methods they compare, so every way is a function of its own; docs/evaluation.md lists who uses which
and has check values. Each function takes one image and its original, uint8 (H, W, 3).
"""

import numpy as np
from scipy.ndimage import correlate1d
from skimage.color import rgb2gray
from skimage.metrics import peak_signal_noise_ratio, structural_similarity


def psnr(painted: np.ndarray, original: np.ndarray) -> float:
    """Peak signal-to-noise ratio, decibels; infinite for identical images."""
    if np.array_equal(painted, original):
        return float("inf")
    return float(peak_signal_noise_ratio(original, painted, data_range=255))


def psnr_gray(painted: np.ndarray, original: np.ndarray) -> float:
    """PSNR of the luminance in [0, 1], decibels: EdgeConnect's variant."""
    x, y = rgb2gray(painted), rgb2gray(original)
    return float("inf") if np.array_equal(x, y) else float(peak_signal_noise_ratio(y, x))


def ssim(painted: np.ndarray, original: np.ndarray) -> float:
    """Structural similarity, at most 1, with the Gaussian window of Wang et al. (2004), sigma 1.5.

    The variant of MAT and mmagic: the mean over all windows of 11x11 that lie in the image.
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


def ssim_lama(painted: np.ndarray, original: np.ndarray) -> float:
    """SSIM with the same window on [0, 1], also where it reaches beyond the image, onto zeros.

    LaMa's variant. scikit-image leaves those windows out, so this is computed here.
    """
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    taps /= taps.sum()

    def blur(values: np.ndarray) -> np.ndarray:
        rows = correlate1d(values, taps, axis=0, mode="constant")
        return correlate1d(rows, taps, axis=1, mode="constant")

    x, y = painted / 255, original / 255
    mean_x, mean_y = blur(x), blur(y)
    variances = blur(x * x) + blur(y * y) - mean_x**2 - mean_y**2
    covariance = blur(x * y) - mean_x * mean_y
    c1, c2 = 0.01**2, 0.03**2
    similarity = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return float(np.mean(similarity / ((mean_x**2 + mean_y**2 + c1) * (variances + c2))))


def ssim_7x7(painted: np.ndarray, original: np.ndarray) -> float:
    """SSIM with scikit-image's default window, 7x7 and uniform: AOT-GAN's variant."""
    return float(structural_similarity(original, painted, data_range=255, channel_axis=-1))


def ssim_gray51(painted: np.ndarray, original: np.ndarray) -> float:
    """SSIM of the luminance in [0, 1] with a uniform window of 51x51: EdgeConnect's variant."""
    x, y = rgb2gray(painted), rgb2gray(original)
    return float(structural_similarity(y, x, data_range=1, win_size=51))


def l1(painted: np.ndarray, original: np.ndarray) -> float:
    """Mean absolute error over all pixels and channels, percent of 255."""
    return float(np.mean(np.abs(painted.astype(np.float64) - original)) / 255 * 100)


def hole_l1(painted: np.ndarray, original: np.ndarray, mask: np.ndarray) -> float:
    """Mean absolute error over the hole's pixels, percent of 255; 0 without a hole.

    Args:
        painted: as in all of these.
        original: likewise.
        mask: (H, W, 1), uint8, 1 = known, 0 = hole.
    """
    hole = mask[..., 0] == 0
    return l1(painted[hole], original[hole]) if hole.any() else 0.0


def mae_edgeconnect(painted: np.ndarray, original: np.ndarray) -> float:
    """Sum of absolute errors over the sum of both images, percent: EdgeConnect's "MAE".

    Unlike the rest of its metrics, of all three channels. Two black images differ by 0.
    """
    x, y = painted.astype(np.float64), original.astype(np.float64)
    total = np.sum(x + y)
    return float(np.sum(np.abs(x - y)) / total * 100) if total else 0.0
