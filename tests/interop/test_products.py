import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import linen as nn
from jax import lax

from madf_jax.interop.products import with_products


def convolve(x, kernel, **options):
    options = {"window_strides": (1, 1), "padding": "SAME", **options}
    return lax.conv_general_dilated(
        x, kernel, dimension_numbers=("NHWC", "HWIO", "NHWC"), **options
    )


def arrays(shape, kernel):
    generator = np.random.default_rng(0)
    return generator.standard_normal((2, *shape, kernel[2])), generator.standard_normal(kernel)


@pytest.mark.parametrize("shape", [(8, 6), (9, 7)])
@pytest.mark.parametrize("side", [1, 2, 3])
@pytest.mark.parametrize(
    "options",
    [{}, {"padding": "VALID"}, {"window_strides": (2, 2), "padding": ((2, 2), (1, 3))}],
)
def test_convolutions_and_their_gradients_equal_xlas(shape, side, options):
    x, kernel = arrays(shape, (side, side, 3, 4))

    def loss(x, kernel):
        return jnp.sum(jnp.sin(nn.relu(convolve(x, kernel, **options))))

    with jax.enable_x64(True):
        wanted = jax.jit(jax.value_and_grad(loss, (0, 1)))(x, kernel)
        found = jax.jit(jax.value_and_grad(with_products(loss), (0, 1)))(x, kernel)
    for one, other in zip(jax.tree.leaves(found), jax.tree.leaves(wanted), strict=True):
        assert one.dtype == np.float64
        np.testing.assert_allclose(one, other, rtol=1e-12, atol=1e-12)


def test_no_convolution_is_left_and_trees_keep_their_form():
    x, kernel = arrays((8, 8), (3, 3, 3, 4))

    def function(tree):
        y = nn.max_pool(nn.relu(convolve(tree["x"], tree["kernel"])), (2, 2), (2, 2))
        return {"y": y, "twice": y + y, "given": tree["x"]}

    tree = {"x": x.astype(np.float32), "kernel": kernel.astype(np.float32)}
    assert "conv_general_dilated" in str(jax.make_jaxpr(function)(tree))
    assert "conv_general_dilated" not in str(jax.make_jaxpr(with_products(function))(tree))
    found, wanted = jax.jit(with_products(function))(tree), function(tree)
    assert found.keys() == wanted.keys()
    for name in wanted:
        np.testing.assert_allclose(found[name], wanted[name], rtol=1e-5, atol=1e-5)


@pytest.mark.parametrize(
    "options",
    [
        {"rhs_dilation": (2, 2)},
        {"lhs_dilation": (2, 2), "padding": ((1, 1), (1, 1))},
        {"feature_group_count": 3},
    ],
)
def test_other_forms_of_convolutions_stay_as_they_are(options):
    x, kernel = arrays((8, 8), (3, 3, 3, 6))
    kernel = kernel[:, :, :1] if "feature_group_count" in options else kernel
    function = with_products(lambda *args: convolve(*args, **options))
    wanted = convolve(jnp.asarray(x), jnp.asarray(kernel), **options)
    np.testing.assert_array_equal(function(jnp.asarray(x), jnp.asarray(kernel)), wanted)
