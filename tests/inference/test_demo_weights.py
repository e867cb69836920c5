"""The weights that come with the package."""

import hashlib
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageOps
from skimage import data
from sklearn.datasets import load_sample_image

import madf_jax
from madf_jax import weights
from madf_jax.__main__ import main
from madf_jax.errors import UserError
from madf_jax.features.lpips import LPIPS
from madf_jax.inference import demo_weights as module
from madf_jax.inference.classical import CLASSICAL
from madf_jax.inference.demo_weights import demo_weights
from madf_jax.metrics.image_quality import psnr
from madf_jax.weights.lpips import load_lpips

RECIPE = Path(__file__).parents[2] / "recipes" / "demo" / "photographs.csv"


def digest(path):
    return hashlib.sha256(path.read_bytes()).hexdigest()


def test_they_are_small_and_say_what_they_are():
    path = demo_weights()
    assert path.stat().st_size < 12e6
    assert digest(path) in path.with_suffix(".md").read_text()
    metadata = weights.load(path).metadata
    assert metadata["license"] == "CC-BY-SA-4.0"
    assert metadata["trained_hole_width"] > 0
    assert metadata["photographs_sha256"] == digest(RECIPE)


@pytest.fixture(scope="module")
def case():
    """A photograph that they were not trained on, and a mask with a hole 24 pixels wide."""
    image = np.asarray(Image.fromarray(data.chelsea()).resize((192, 128), Image.Resampling.LANCZOS))
    known = np.ones((128, 192), bool)
    known[40:64, 30:150] = known[64:110, 80:104] = False
    return image, known


def test_without_a_path_they_paint_what_surrounds_a_hole(case):
    image, known = case
    painted = madf_jax.Inpainter.load()(image, known)
    np.testing.assert_array_equal(painted[known], image[known])
    mean = CLASSICAL["mean_fill"](image[None], known[None, ..., None].astype(np.uint8))[0]
    assert psnr(painted, image) > psnr(mean, image) + 1


def test_the_command_paints_with_them_and_again_the_same(case, tmp_path):
    for name, pixels in zip(("image.png", "mask.png"), case, strict=True):
        Image.fromarray(pixels).save(tmp_path / name)
    results = []
    for name in ("one.png", "two.png"):
        flags = {"image": "image.png", "mask": "mask.png", "output": name}
        assert (
            main(["inpaint", *(f"--{key}={tmp_path / value}" for key, value in flags.items())]) == 0
        )
        results.append(np.asarray(Image.open(tmp_path / name)))
    np.testing.assert_array_equal(*results)
    np.testing.assert_array_equal(results[0][case[1]], case[0][case[1]])


def test_where_they_are_left_out_the_message_says_how_to_get_some(monkeypatch):
    monkeypatch.setattr(module, "_NAME", "missing.safetensors")
    with pytest.raises(UserError, match="comes without weights; name some by --weights"):
        madf_jax.Inpainter.load()


HELD_OUT = {
    "cat": data.chelsea,
    "gravel": data.gravel,
    "flower": lambda: load_sample_image("flower.jpg"),
}


@pytest.mark.slow
@pytest.mark.parametrize("name", HELD_OUT)
def test_a_wide_hole_looks_more_like_the_photograph_than_classical_ones_do(name):
    photograph = Image.fromarray(HELD_OUT[name]()).convert("RGB")
    image = np.asarray(ImageOps.fit(photograph, (256, 256)))
    known = np.ones((256, 256), bool)
    known[40:140, 30:120] = known[170:220, 60:220] = False
    network, parameters = LPIPS("alex"), load_lpips("alex")

    def distance(painted):
        return network.apply(parameters, painted[None], image[None]).item()

    mask = known[None, ..., None].astype(np.uint8)
    classical = [distance(fill(image[None], mask)[0]) for fill in CLASSICAL.values()]
    assert distance(madf_jax.Inpainter.load()(image, known)) < 0.9 * min(classical)
