import numpy as np

from madf_jax.network.upsampling import upsample


def test_upsample_is_bilinear_between_half_pixel_centers():
    ramp = np.asarray([0.0, 1.0, 2.0, 3.0], np.float32)
    doubled = np.asarray([0.0, 0.25, 0.75, 1.25, 1.75, 2.25, 2.75, 3.0])
    image = (10 * ramp[:2, None] + ramp)[None, :, :, None]
    expected = (10 * np.asarray([0.0, 0.25, 0.75, 1.0])[:, None] + doubled)[None, :, :, None]
    np.testing.assert_allclose(upsample(image), expected, rtol=1e-6)
