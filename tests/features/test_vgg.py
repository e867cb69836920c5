import flax.linen as nn
import jax
import numpy as np
import pytest

from madf_jax.features.vgg import VGG16

CONVOLUTIONS = {
    "conv1_1": (3, 64),
    "conv1_2": (64, 64),
    "conv2_1": (64, 128),
    "conv2_2": (128, 128),
    "conv3_1": (128, 256),
    "conv3_2": (256, 256),
    "conv3_3": (256, 256),
}


def test_names_and_shapes():
    features, variables = jax.eval_shape(
        lambda: VGG16().init_with_output(jax.random.key(0), np.zeros((2, 16, 24, 3), np.float32))
    )
    assert [phi.shape for phi in features] == [(2, 8, 12, 64), (2, 4, 6, 128), (2, 2, 3, 256)]
    found = jax.tree.map(lambda leaf: leaf.shape, variables)
    assert found == {
        "params": {
            name: {"kernel": (3, 3, *channels), "bias": channels[1:]}
            for name, channels in CONVOLUTIONS.items()
        }
    }


def test_features_are_taken_after_pooling_and_relu():
    """Kernels with a center tap only pass the image's first channel on."""
    params = {}
    for name, (channels_in, channels_out) in CONVOLUTIONS.items():
        kernel = np.zeros((3, 3, channels_in, channels_out), np.float32)
        kernel[1, 1, 0, 0] = 1
        params[name] = {"kernel": kernel, "bias": np.zeros(channels_out, np.float32)}
    image = np.random.default_rng(0).standard_normal((1, 8, 8, 3)).astype(np.float32)
    features = jax.jit(VGG16().apply)({"params": params}, image)
    for stage, phi in enumerate(features, start=1):
        block = 2**stage
        blocks = image[0, ..., 0].reshape(8 // block, block, 8 // block, block)
        np.testing.assert_allclose(phi[0, ..., 0], np.maximum(blocks.max((1, 3)), 0), rtol=1e-6)
        assert not np.any(phi[..., 1:])


def taps(variables, image):
    params = {name: variables["params"][name] for name in CONVOLUTIONS}
    return (
        VGG16(stages=5).apply(variables, image),
        VGG16(stages=5, taps="unpooled").apply(variables, image),
        VGG16().apply({"params": params}, image),
    )


def test_all_stages_before_and_after_pooling():
    """The first three are those of the training's losses; a tap pooled is the pooled tap."""
    generator = np.random.default_rng(0)
    image = generator.standard_normal((1, 32, 48, 3), np.float32)
    shapes = jax.eval_shape(VGG16(stages=5).init, jax.random.key(0), image)
    variables = jax.tree.map(lambda leaf: generator.random(leaf.shape, np.float32) - 0.45, shapes)
    pooled, unpooled, three = jax.jit(taps)(variables, image)
    assert [phi.shape for phi in unpooled] == [
        (1, 32 // 2**i, 48 // 2**i, width) for i, width in enumerate((64, 128, 256, 512, 512))
    ]
    for before, after in zip(unpooled, pooled, strict=True):
        np.testing.assert_array_equal(nn.max_pool(before, (2, 2), (2, 2)), after)
    for few, all_of_them in zip(three, pooled, strict=False):
        np.testing.assert_array_equal(few, all_of_them)


@pytest.mark.parametrize("dtype", ["float32", "bfloat16"])
def test_dtype_is_that_of_computation(dtype):
    features = jax.eval_shape(
        lambda: VGG16(dtype=dtype).init_with_output(jax.random.key(0), np.zeros((1, 8, 8, 3)))
    )[0]
    assert {phi.dtype.name for phi in features} == {dtype}
