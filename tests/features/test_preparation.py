import numpy as np
import pytest
from PIL import Image

from madf_jax.features.preparation import PREPARATIONS, SIDE, prepare

SIZES = [(40, 64), (299, 299), (512, 330)]


def images(size, count=2):
    return np.random.default_rng(0).integers(0, 256, (count, *size, 3)).astype(np.uint8)


def by_pillow(image):
    """clean-fid's way: each channel as floats, bicubic, bounded afterwards."""
    channels = [
        Image.fromarray(image[..., c].astype(np.float32)).resize(
            (SIDE, SIDE), Image.Resampling.BICUBIC
        )
        for c in range(3)
    ]
    return np.stack([np.asarray(channel).clip(0, 255) for channel in channels], -1)


@pytest.mark.parametrize("size", SIZES)
def test_clean_is_pillow_s_bicubic_in_floats(size):
    batch = images(size)
    expected = (np.stack([by_pillow(image) for image in batch]) - 128) / 128
    np.testing.assert_allclose(prepare(batch, "clean"), expected, atol=2e-6)


@pytest.mark.torch
@pytest.mark.parametrize("size", SIZES)
def test_legacy_pytorch_is_pytorch_s_bilinear(size):
    torch = pytest.importorskip("torch")
    batch = images(size)
    resized = torch.nn.functional.interpolate(
        torch.from_numpy(batch.transpose(0, 3, 1, 2).astype(np.float64)),
        size=(SIDE, SIDE),
        mode="bilinear",
        align_corners=False,
    )
    expected = 2 * resized.numpy().transpose(0, 2, 3, 1) / 255 - 1
    np.testing.assert_allclose(prepare(batch, "legacy_pytorch"), expected, atol=2e-6)


@pytest.mark.torch
@pytest.mark.parametrize("size", SIZES)
def test_stylegan_is_the_sampling_of_its_network(size):
    """A grid whose first pixel lies on the first pixel, and what is beyond the last is the last."""
    torch = pytest.importorskip("torch")
    height, width = size
    batch = images(size)
    rows, columns = (np.arange(SIDE) * (2 / SIDE) + 1 / side - 1 for side in (height, width))
    grid = np.stack(np.meshgrid(columns, rows), -1)
    resized = torch.nn.functional.grid_sample(
        torch.from_numpy(batch.transpose(0, 3, 1, 2).astype(np.float64)),
        torch.from_numpy(np.repeat(grid[None], len(batch), 0)),
        mode="bilinear",
        padding_mode="border",
        align_corners=False,
    )
    expected = (resized.numpy().transpose(0, 2, 3, 1) - 128) / 128
    np.testing.assert_allclose(prepare(batch, "stylegan"), expected, atol=2e-6)


@pytest.mark.parametrize("name", PREPARATIONS)
def test_a_flat_image_stays_flat(name):
    batch = np.full((1, 37, 53, 3), 200, np.uint8)
    center = PREPARATIONS[name].center
    np.testing.assert_allclose(prepare(batch, name), (200 - center) / center, rtol=1e-5)


def test_an_image_of_the_network_s_size_is_only_scaled():
    batch = images((SIDE, SIDE))
    for name, (_, center) in PREPARATIONS.items():
        np.testing.assert_allclose(
            prepare(batch, name), (batch.astype(np.float32) - center) / center, atol=1e-6
        )
