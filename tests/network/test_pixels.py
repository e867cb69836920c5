import jax
import jax.numpy as jnp
import numpy as np
import pytest

from madf_jax.network import composite, denormalize, normalize


def test_every_8_bit_value_survives_the_round_trip():
    image = np.repeat(np.arange(256, dtype=np.uint8)[:, None], 3, axis=1)
    np.testing.assert_array_equal(denormalize(normalize(image)), image)


def test_normalize_in_closed_form():
    image = np.asarray([[0, 0, 0], [255, 255, 255]], np.uint8)
    mean, std = np.asarray([0.485, 0.456, 0.406]), np.asarray([0.229, 0.224, 0.225])
    expected = np.stack([-mean / std, (1 - mean) / std])
    np.testing.assert_allclose(normalize(image), expected, rtol=1e-6)


def test_denormalize_clips_to_8_bits():
    image = np.asarray([[-100.0, 0.0, 100.0]], np.float32)
    np.testing.assert_array_equal(denormalize(image), [[0, round(0.456 * 255), 255]])


@pytest.mark.parametrize("mask_dtype", [np.uint8, np.float32])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32, jnp.bfloat16])
def test_composite_is_bit_identical_where_known_and_the_output_in_holes(
    make_batch, dtype, mask_dtype
):
    image, mask = make_batch()
    image, output = image.astype(dtype), (255 - image).astype(dtype)
    found = jax.jit(composite)(image, output, mask.astype(mask_dtype))
    assert found.dtype == image.dtype
    known = np.broadcast_to(mask, image.shape) == 1
    assert np.asarray(found)[known].tobytes() == image[known].tobytes()
    assert np.asarray(found)[~known].tobytes() == output[~known].tobytes()


def test_a_nan_of_the_output_stays_in_the_hole(make_batch):
    image, mask = make_batch()
    image = image.astype(np.float32)
    found = composite(image, np.full_like(image, np.nan), mask)
    np.testing.assert_array_equal(np.isnan(found), np.broadcast_to(mask == 0, image.shape))
