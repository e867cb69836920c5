import itertools

import jax
import numpy as np
from jax import lax

from madf_jax.network.upsampling import transposed_convolution, upsample


def scatter_add(x, weight):
    """Kernel 4, stride 2, padding 1 by definition; `weight` (C, O, 4, 4) as PyTorch keeps it."""
    n, height, width, _ = x.shape
    canvas = np.zeros((n, 2 * height + 2, 2 * width + 2, weight.shape[1]))
    for h, w, ky, kx in itertools.product(range(height), range(width), range(4), range(4)):
        canvas[:, 2 * h + ky, 2 * w + kx] += x[:, h, w] @ weight[:, :, ky, kx]
    return canvas[:, 1:-1, 1:-1]


def test_transposed_convolution_equals_its_definition():
    generator = np.random.default_rng(0)
    x = generator.standard_normal((2, 3, 5, 2))
    kernel = generator.standard_normal((4, 4, 2, 3))
    with jax.enable_x64(True):
        phases = kernel.reshape(2, 2, 2, 2, 2, 3).transpose(0, 2, 4, 1, 3, 5)
        found = transposed_convolution(x, phases)
        stuffed = lax.conv_general_dilated(
            x,
            kernel,
            (1, 1),
            ((2, 2), (2, 2)),
            lhs_dilation=(2, 2),
            dimension_numbers=("NHWC", "HWIO", "NHWC"),
        )
    assert found.shape == (2, 6, 10, 3)
    np.testing.assert_allclose(found, stuffed, rtol=1e-12, atol=1e-12)
    weight = kernel[::-1, ::-1].transpose(2, 3, 0, 1)
    np.testing.assert_allclose(found, scatter_add(x, weight), rtol=1e-12, atol=1e-12)


def test_upsample_is_bilinear_between_half_pixel_centres():
    ramp = np.asarray([0.0, 1.0, 2.0, 3.0], np.float32)
    doubled = np.asarray([0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0])
    picture = (10 * ramp[:2, None] + ramp)[None, :, :, None]
    expected = (10 * np.asarray([0.0, 0.25, 0.75, 1.0])[:, None] + doubled)[None, :, :, None]
    np.testing.assert_allclose(upsample(picture), expected, rtol=1e-6)
