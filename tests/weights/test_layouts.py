import itertools

import jax.numpy as jnp
import numpy as np
import pytest

from madf_jax.layers.convolution import transposed_convolution
from madf_jax.weights import layouts

OURS = {
    "VECTOR": (5,),
    "COUNT": (),
    "CONVOLUTION": (3, 4, 5, 6),
    "TRANSPOSED_CONVOLUTION": (2, 2, 5, 2, 2, 6),
    "FILTERS": (3, 3, 4, 5, 6),
    "FILTERS_BIAS": (3, 3, 4, 6),
}


@pytest.mark.parametrize("name", OURS)
def test_there_and_back_is_bit_identical(name):
    layout, shape = getattr(layouts, name), OURS[name]
    ours = np.random.default_rng(0).integers(0, 99, shape).astype(np.int32)
    there = layout.to_reference(ours)
    assert there.shape == layout.reference_shape(shape)
    back = layout.to_ours(there, shape)
    np.testing.assert_array_equal(back, ours, strict=True)


def test_filters_follow_the_reference_s_numbering_of_rows_and_columns():
    k, channels, mask_channels, out = 3, 2, 4, 5
    weight = np.arange(channels * k * k * out * mask_channels).reshape(-1, mask_channels, 1, 1)
    bias = np.arange(channels * k * k * out)
    kernel = layouts.FILTERS.to_ours(weight, (k, k, channels, mask_channels, out))
    ours_bias = layouts.FILTERS_BIAS.to_ours(bias, (k, k, channels, out))
    for c, y, x, o in itertools.product(range(channels), range(k), range(k), range(out)):
        column = (c * k * k + y * k + x) * out + o
        np.testing.assert_array_equal(kernel[y, x, c, :, o], weight[column, :, 0, 0])
        assert ours_bias[y, x, c, o] == bias[column]


def test_transposed_convolution_spreads_each_pixel_as_pytorch_defines_it():
    generator = np.random.default_rng(0)
    weight = generator.integers(-9, 9, (2, 3, 4, 4)).astype(np.float32)  # in, out, y, x
    image = generator.integers(-9, 9, (1, 3, 5, 2)).astype(np.float32)
    spread = np.zeros((2 * 3 + 2, 2 * 5 + 2, 3), np.float32)  # with the padding of 1 on each side
    for y, x in itertools.product(range(3), range(5)):
        spread[2 * y : 2 * y + 4, 2 * x : 2 * x + 4] += np.einsum(
            "i,ioyx->yxo", image[0, y, x], weight
        )
    kernel = layouts.TRANSPOSED_CONVOLUTION.to_ours(weight, (2, 2, 2, 2, 2, 3))
    output = transposed_convolution(jnp.asarray(image), jnp.asarray(kernel))
    np.testing.assert_array_equal(output[0], spread[1:-1, 1:-1])
