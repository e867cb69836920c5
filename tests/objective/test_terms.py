import jax.numpy as jnp
import numpy as np
import pytest

from madf_jax.objective import terms


@pytest.fixture
def case():
    generator = np.random.default_rng(0)
    output, image = generator.standard_normal((2, 2, 4, 6, 3)).astype(np.float32)
    mask = generator.integers(0, 2, (2, 4, 6, 1)).astype(np.float32)
    return output, image, mask


def test_means_are_over_all_elements():
    """Half of 8 pixels known, wrong by 2 everywhere: each term sees 2 on half of the elements."""
    image = np.zeros((1, 2, 4, 3), np.float32)
    mask = np.repeat(np.asarray([[[[1], [1], [0], [0]]]], np.float32), 2, axis=1)
    assert terms.valid(image + 2, image, mask) == 1
    assert terms.hole(image - 2, image, mask) == 1


def test_valid_and_hole_split_the_absolute_error(case):
    output, image, mask = case
    known = np.broadcast_to(mask == 1, image.shape)
    error = np.abs(output - image)
    np.testing.assert_allclose(
        terms.valid(output, image, mask), error[known].sum() / error.size, rtol=1e-5
    )
    np.testing.assert_allclose(
        terms.hole(output, image, mask), error[~known].sum() / error.size, rtol=1e-5
    )


def test_total_variation_by_hand():
    """A ramp that rises by 3 to the right and by 5 downwards."""
    rows, columns = np.mgrid[:4, :6].astype(np.float32)
    image = np.broadcast_to((5 * rows + 3 * columns)[None, :, :, None], (2, 4, 6, 3))
    assert terms.total_variation(image) == 8


def test_gram_equals_a_loop():
    features = np.random.default_rng(1).standard_normal((2, 3, 4, 5)).astype(np.float32)
    flat = features.reshape(2, 12, 5)
    expected = np.stack([phi.T @ phi for phi in flat]) / (5 * 3 * 4)
    np.testing.assert_allclose(terms.gram(features), expected, rtol=1e-5, atol=1e-6)


def test_perceptual_sums_the_means_of_the_stages():
    ones, zeros = np.ones((1, 4, 4, 2), np.float32), np.zeros((1, 4, 4, 2), np.float32)
    assert terms.perceptual([ones, 3 * ones], [zeros, ones]) == 1 + 2


def test_style_by_hand():
    """Constant features c have Gram matrices of c * c / C everywhere."""
    ones = np.ones((1, 4, 4, 2), np.float32)
    assert terms.style([2 * ones, ones], [ones, ones]) == pytest.approx((4 - 1) / 2)


def test_no_stages_are_zero():
    assert terms.perceptual([], []) == 0
    assert terms.style([], []) == 0


def test_bfloat16_images_are_averaged_in_float32():
    ones = jnp.ones((1, 64, 64, 3), jnp.bfloat16)
    error = terms.mean_absolute_error(ones, jnp.zeros_like(ones))
    assert (error.dtype, float(error)) == (np.float32, 1.0)
    assert terms.gram(ones).dtype == np.float32
