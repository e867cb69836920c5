import math

import numpy as np
import pytest

from madf_jax.metrics.image_quality import METRICS, hole_l1, l1, psnr, score, ssim


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


def test_score_gathers_metrics_by_name():
    generator = np.random.default_rng(1)
    painted, original = generator.integers(0, 256, (2, 16, 16, 3)).astype(np.uint8)
    mask = generator.integers(0, 2, (16, 16, 1)).astype(np.uint8)
    expected = {
        "psnr": psnr(painted, original),
        "ssim": ssim(painted, original),
        "l1": l1(painted, original),
        "hole_l1": hole_l1(painted, original, mask),
    }
    assert score(painted, original, mask) == expected
    some = score(painted, original, mask, {"l1": METRICS["l1"]})
    assert some == {"l1": expected["l1"]}


@pytest.mark.parametrize(
    ("painted", "original", "mask", "message"),
    [
        (flat(0), flat(0, 32), np.ones((32, 32, 1), np.uint8), r"\(16, 16, 3\)"),
        (flat(0), flat(0), np.ones((16, 16), np.uint8), r"\(16, 16\)"),
        (flat(0)[..., :1], flat(0)[..., :1], np.ones((16, 16, 1), np.uint8), r"\(16, 16, 1\)"),
        (flat(0) / 255, flat(0), np.ones((16, 16, 1), np.uint8), "float64"),
        (flat(0, 8), flat(0, 8), np.ones((8, 8, 1), np.uint8), "win_size"),
    ],
)
def test_wrong_shapes_and_dtypes_are_refused(painted, original, mask, message):
    with pytest.raises(ValueError, match=message):
        score(painted, original, mask)
