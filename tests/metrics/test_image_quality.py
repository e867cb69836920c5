import math

import numpy as np
import pytest

from madf_jax.metrics.image_quality import (
    hole_l1,
    l1,
    mae_edgeconnect,
    psnr,
    psnr_gray,
    ssim,
    ssim_7x7,
    ssim_gray51,
    ssim_lama,
)


def flat(value, size=16):
    return np.full((size, size, 3), value, np.uint8)


@pytest.mark.parametrize("difference", [1, 10, 255])
def test_psnr_of_a_known_error(difference):
    expected = 20 * math.log10(255 / difference)
    assert psnr(flat(difference), flat(0)) == pytest.approx(expected, abs=1e-9)
    assert psnr(flat(0), flat(difference)) == pytest.approx(expected, abs=1e-9)


def test_psnr_of_identical_images_is_infinite():
    assert psnr(flat(7), flat(7)) == math.inf


def test_ssim_of_flat_images_in_closed_form():
    """Without variance only the luminance term is left."""
    a, b, c1 = 100.0, 140.0, (0.01 * 255) ** 2
    expected = (2 * a * b + c1) / (a * a + b * b + c1)
    assert ssim(flat(100), flat(140)) == pytest.approx(expected, rel=1e-9)
    assert ssim(flat(100), flat(100)) == 1


def test_ssim_equals_its_definition_with_a_gaussian_window():
    generator = np.random.default_rng(0)
    x = generator.integers(0, 256, (16, 18, 3)).astype(np.uint8)
    y = np.clip(x + generator.normal(0, 40, x.shape), 0, 255).astype(np.uint8)
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(taps, taps) / taps.sum() ** 2

    def blur(values):
        views = np.lib.stride_tricks.sliding_window_view(values, (11, 11), axis=(0, 1))
        return (views * window).sum((-1, -2))

    u, v = x.astype(np.float64), y.astype(np.float64)
    mean_x, mean_y = blur(u), blur(v)
    var_x, var_y = blur(u * u) - mean_x**2, blur(v * v) - mean_y**2
    covariance = blur(u * v) - mean_x * mean_y
    c1, c2 = (0.01 * 255) ** 2, (0.03 * 255) ** 2
    values = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    values /= (mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)
    assert ssim(y, x) == pytest.approx(values.mean(), rel=1e-9)


def test_l1_is_percent_of_255_without_wrapping_around():
    assert l1(flat(0), flat(51)) == pytest.approx(20)
    assert l1(flat(51), flat(0)) == pytest.approx(20)


def test_hole_l1_reads_the_hole_only():
    original, mask = flat(0), np.ones((16, 16, 1), np.uint8)
    mask[:4, :4] = 0
    painted = flat(255)
    painted[:4, :4] = 51
    assert hole_l1(painted, original, mask) == pytest.approx(20)
    assert hole_l1(painted, original, np.ones_like(mask)) == 0


@pytest.mark.parametrize("level", [1, 40])
def test_psnr_of_gray_takes_the_luminance(level):
    """Red alone differs, whose part of the luminance is 0.2125."""
    red = flat(0)
    red[..., 0] = level
    expected = 20 * math.log10(255 / (0.2125 * level))
    assert psnr_gray(red, flat(0)) == pytest.approx(expected, abs=1e-6)
    assert psnr_gray(red, red) == math.inf


def noisy(shape=(60, 55, 3), seed=0):
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 256, shape).astype(np.uint8)
    y = np.clip(x + generator.normal(0, 40, shape), 0, 255).astype(np.uint8)
    return x, y


def ssim_by_windows(x, y, window, ddof):
    """The definition, with means over every window that lies in the image; x, y in [0, 1]."""
    size = window.shape[0]

    def mean(values):
        views = np.lib.stride_tricks.sliding_window_view(values, (size, size), axis=(0, 1))
        return (views * window).sum((-1, -2))

    factor = size**2 / (size**2 - 1) if ddof else 1
    mean_x, mean_y = mean(x), mean(y)
    var_x, var_y = (factor * (mean(v * v) - m**2) for v, m in ((x, mean_x), (y, mean_y)))
    covariance = factor * (mean(x * y) - mean_x * mean_y)
    c1, c2 = 0.01**2, 0.03**2
    values = (2 * mean_x * mean_y + c1) * (2 * covariance + c2)
    return np.mean(values / ((mean_x**2 + mean_y**2 + c1) * (var_x + var_y + c2)))


def test_ssim_lama_counts_windows_that_reach_onto_zeros():
    x, y = noisy((20, 16, 3))
    taps = np.exp(-0.5 * (np.arange(-5, 6) / 1.5) ** 2)
    window = np.outer(taps, taps) / taps.sum() ** 2
    padded = [np.pad(v / 255, ((5, 5), (5, 5), (0, 0))) for v in (x, y)]
    assert ssim_lama(x, y) == pytest.approx(ssim_by_windows(*padded, window, ddof=0), rel=1e-9)
    assert abs(ssim_lama(x, y) - ssim(x, y)) > 1e-3


def test_ssim_7x7_has_uniform_windows_and_the_covariance_of_samples():
    x, y = noisy((20, 16, 3))
    expected = ssim_by_windows(x / 255, y / 255, np.full((7, 7), 1 / 49), ddof=1)
    assert ssim_7x7(x, y) == pytest.approx(expected, rel=1e-9)


def test_ssim_gray51_has_windows_of_51_pixels_of_luminance():
    x, y = noisy()
    gray = [v / 255 @ np.asarray([0.2125, 0.7154, 0.0721]) for v in (x, y)]
    expected = ssim_by_windows(*gray, np.full((51, 51), 1 / 51**2), ddof=1)
    assert ssim_gray51(x, y) == pytest.approx(expected, rel=1e-6)


def test_mae_of_edgeconnect_is_relative_to_both_images():
    assert mae_edgeconnect(flat(30), flat(10)) == pytest.approx(50)
    assert mae_edgeconnect(flat(0), flat(10)) == pytest.approx(100)
    assert mae_edgeconnect(flat(0), flat(0)) == 0
