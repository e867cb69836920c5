import itertools

import jax
import numpy as np
import pytest

from madf_jax.network.dynamic_filtering import (
    DynamicFilters,
    filter_by_windows,
    filter_factored,
)

FORMS = {"factored": filter_factored, "patches": filter_by_windows}
CHANNELS, MASK_WIDTH, WIDTH = 3, 2, 4


def arguments(size, height=6, width=8):
    generator = np.random.default_rng(size)
    features = generator.standard_normal((2, height, width, CHANNELS))
    mask_features = generator.standard_normal((2, height // 2, width // 2, MASK_WIDTH))
    weight = generator.standard_normal((CHANNELS * size * size * WIDTH, MASK_WIDTH))
    bias = generator.standard_normal(CHANNELS * size * size * WIDTH)
    return features, mask_features, weight, bias


def as_kernel(weight, bias, size):
    """From the PyTorch reference's layout, whose rows count (c, ky, kx, o), to ours."""
    kernel = weight.reshape(CHANNELS, size, size, WIDTH, MASK_WIDTH).transpose(1, 2, 0, 4, 3)
    return kernel, bias.reshape(CHANNELS, size, size, WIDTH).transpose(1, 2, 0, 3)


def loop_over_windows(features, mask_features, weight, bias, size):
    """The definition, window by window."""
    half = size // 2
    padded = np.pad(features, ((0, 0), (half, half), (half, half), (0, 0)))
    n, rows, columns, _ = mask_features.shape
    out = np.zeros((n, rows, columns, WIDTH))
    for i, y, x in itertools.product(range(n), range(rows), range(columns)):
        window = padded[i, 2 * y : 2 * y + size, 2 * x : 2 * x + size]
        patch = window.transpose(2, 0, 1).ravel()
        bank = (weight @ mask_features[i, y, x] + bias).reshape(len(patch), WIDTH)
        out[i, y, x] = patch @ bank
    return out


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("size", [3, 5, 7])
def test_equals_a_loop_over_windows(form, size):
    features, mask_features, weight, bias = arguments(size)
    kernel, filter_bias = as_kernel(weight, bias, size)
    with jax.enable_x64(True):
        found = FORMS[form](features, mask_features, kernel, filter_bias)
    expected = loop_over_windows(features, mask_features, weight, bias, size)
    np.testing.assert_allclose(found, expected, rtol=1e-12, atol=1e-12)


def test_both_forms_have_the_same_gradients():
    features, mask_features, weight, bias = arguments(3)
    inputs = (features, mask_features, *as_kernel(weight, bias, 3))
    with jax.enable_x64(True):
        gradients = [
            jax.jit(jax.grad(lambda *a, f=f: (f(*a) ** 2).sum(), argnums=(0, 1, 2, 3)))(*inputs)
            for f in FORMS.values()
        ]
    for factored, patches in zip(*gradients, strict=True):
        np.testing.assert_allclose(factored, patches, rtol=1e-10, atol=1e-10)


def test_an_unknown_form_is_refused():
    features, mask_features = np.zeros((1, 4, 4, 3)), np.zeros((1, 2, 2, 2))
    with pytest.raises(ValueError, match=r"network\.filtering is 'wide'.*factored.*patches"):
        DynamicFilters(4, 3, form="wide").init(jax.random.key(0), features, mask_features)
