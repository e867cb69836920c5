"""The class that people call."""

import subprocess
import sys

import jax
import numpy as np
import pytest
from PIL import Image

import madf_jax
from madf_jax import weights
from madf_jax.errors import UserError
from madf_jax.inference.inpainter import Inpainter
from madf_jax.network import composite, denormalize, normalize
from tests.inference.fakes import Blurring

MODES = ("1", "L", "LA", "P", "RGB", "RGBA", "CMYK", "I;16", "F")
DTYPES = ("bool", "uint8", "uint16", "float16", "float32", "float64")


@pytest.fixture(scope="module")
def network(make_network):
    return make_network(refinements=1)


@pytest.fixture(scope="module")
def variables(network, make_variables):
    return make_variables(network)


@pytest.fixture(scope="module")
def inpainter(network, variables):
    return Inpainter(network, variables, trained_width=64)


@pytest.fixture
def quick(network, variables):
    """An inpainter that needs no compilation, for many sizes."""
    inpainter = Inpainter(network, variables, trained_width=20)
    inpainter._any_size._network = Blurring(8)
    return inpainter


def pil_image(mode, size, generator):
    shape = (size[1], size[0])
    if mode == "I;16":
        return Image.fromarray(generator.integers(0, 65536, shape, np.uint16))
    if mode == "F":
        return Image.fromarray(generator.random(shape).astype(np.float32))
    image = Image.fromarray(generator.integers(0, 256, (*shape, 4), np.uint8), "RGBA")
    return image.convert("RGB").quantize(17) if mode == "P" else image.convert(mode)


def random_mask(size, generator):
    known = np.ones(size, bool)
    for _ in range(generator.integers(1, 4)):
        top, left = (int(generator.integers(side)) for side in size)
        known[top : top + generator.integers(1, 40), left : left + generator.integers(1, 40)] = 0
    known[generator.integers(size[0]), generator.integers(size[1])] = True
    return known


def test_it_equals_network_and_composite_by_hand(inpainter, network, variables, make_batch):
    images, masks = make_batch(2, 16)
    apply = jax.jit(lambda *args: network.apply(*args, train=False))
    outputs = apply(variables, normalize(images), masks)
    expected = composite(images, denormalize(outputs[-1]), masks)
    painted = inpainter(images, masks, scale=1, feather=0)
    np.testing.assert_array_equal(painted, expected)
    assert np.any(painted[masks[..., 0] == 0] != images[masks[..., 0] == 0])


@pytest.mark.parametrize("seed", range(30))
def test_any_size_mode_and_mask_comes_back_bit_identical_outside_the_hole(quick, seed):
    generator = np.random.default_rng(seed)
    mode = MODES[seed % len(MODES)]
    size = tuple(int(side) for side in np.exp(generator.uniform(0, 5.6, 2)))
    image = pil_image(mode, size, generator)
    image.info["icc_profile"] = b"kept"
    known = random_mask(size[::-1], generator)
    if known.all():
        return
    options = {"dilate": int(generator.integers(3)), "feather": int(generator.integers(5))}
    painted = quick(image, known, **(options if seed % 2 else {}))
    assert (painted.mode, painted.size, painted.info) == (image.mode, image.size, image.info)
    before, after = np.asarray(image), np.asarray(painted)
    if not seed % 2:
        np.testing.assert_array_equal(after[known], before[known])
    changed = (before != after).reshape(*known.shape, -1).any(axis=-1)
    assert changed.sum() <= before.size


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("channels", [None, 1, 2, 3, 4])
def test_an_array_keeps_shape_and_dtype(quick, dtype, channels):
    if dtype == "bool" and channels not in (None, 1):
        return
    generator = np.random.default_rng(0)
    shape = (33, 41) if channels is None else (33, 41, channels)
    scale = {"bool": 2, "uint8": 256, "uint16": 65536}.get(dtype, 1)
    image = np.floor(generator.random(shape) * 0.999 * scale).astype(dtype)
    if scale == 1:
        image = generator.random(shape).astype(dtype)
    known = np.ones((33, 41), bool)
    known[5:20, 6:30] = False
    image[2:5, 2:30] = 0  # something bilevel to see
    painted = quick(image, known)
    assert (painted.shape, painted.dtype) == (image.shape, image.dtype)
    np.testing.assert_array_equal(painted[known], image[known])
    assert np.any(painted[~known] != image[~known])


def test_lists_batches_and_single_images_agree(inpainter):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (3, 16, 16, 3), np.uint8)
    masks = (generator.random((3, 16, 16)) > 0.3).astype(np.uint8)
    stacked = inpainter(images, masks)
    assert isinstance(stacked, np.ndarray)
    listed = inpainter(list(images), [*masks])
    assert isinstance(listed, list)
    for index in range(3):
        one = inpainter(images[index], masks[index])
        np.testing.assert_array_equal(listed[index], one)
        np.testing.assert_array_equal(stacked[index], one)
    same_mask = inpainter(images, masks[0])
    np.testing.assert_array_equal(same_mask[0], stacked[0])
    assert inpainter([], []) == []
    assert inpainter(images[:0], masks[0]).shape == (0, 16, 16, 3)


def test_batches_give_what_single_images_give(network, variables):
    generator = np.random.default_rng(0)
    images = generator.integers(0, 256, (3, 16, 16, 3), np.uint8)
    masks = (generator.random((3, 16, 16)) > 0.3).astype(np.uint8)
    batched = Inpainter(network, variables, batch_size=2, trained_width=64)
    single = Inpainter(network, variables, batch_size=1, trained_width=64)
    difference = batched(images, masks).astype(int) - single(images, masks)
    assert [shape[0] for shape in batched._network.shapes] == [2, 1]
    assert np.abs(difference).max() <= 1  # the order of sums may differ


def test_paths_give_pil_images_or_arrays_for_16_bit_color(quick, tmp_path):
    image = pil_image("RGB", (30, 20), np.random.default_rng(0))
    image.save(tmp_path / "image.png")
    mask = Image.new("L", (30, 20), 255)
    mask.paste(0, (5, 5, 15, 15))
    mask.save(tmp_path / "mask.png")
    painted = quick(tmp_path / "image.png", str(tmp_path / "mask.png"))
    assert isinstance(painted, Image.Image)
    np.testing.assert_array_equal(np.asarray(painted), np.asarray(quick(image, mask)))


def test_images_of_several_kinds_in_one_list(quick):
    generator = np.random.default_rng(0)
    images = [pil_image("L", (30, 20), generator), generator.random((9, 12, 3))]
    first, second = quick(images, [np.eye(20, 30) == 0, np.eye(9, 12) == 0])
    assert (first.mode, first.size) == ("L", (30, 20))
    assert (second.dtype, second.shape) == (np.float64, (9, 12, 3))


def test_hole_white_is_the_inverse_of_black(quick):
    image = pil_image("RGB", (30, 20), np.random.default_rng(0))
    known = random_mask((20, 30), np.random.default_rng(1))
    np.testing.assert_array_equal(quick(image, ~known, hole="white"), quick(image, known))


def test_nan_under_the_hole_does_no_harm(quick):
    image, known = np.full((20, 30, 3), 0.5), np.ones((20, 30), bool)
    known[5:15, 5:25] = False
    image[~known] = np.nan
    for options in ({}, {"scale": 2}, {"feather": 4}):
        assert np.all(np.isfinite(quick(image, known, **options)))


@pytest.fixture
def warnings(monkeypatch):
    lines = []
    monkeypatch.setattr(
        "madf_jax.inference.inpainter.logging.warning",
        lambda line, *args: lines.append(line % args),
    )
    return lines


def test_a_mask_without_a_hole_is_said_and_changes_nothing(quick, warnings):
    image = pil_image("RGB", (30, 20), np.random.default_rng(0))
    painted = quick(image, np.ones((20, 30), bool))
    assert painted.tobytes() == image.tobytes()
    assert len(warnings) == 1 and warnings[0].startswith("mask: has no hole")


def test_a_mask_that_is_nearly_all_hole_is_said(quick, warnings):
    known = np.zeros((20, 30), bool)
    known[:2] = True
    quick(np.zeros((20, 30), np.uint8), known)
    assert "90 % hole" in warnings[0] and "white" in warnings[0]


@pytest.mark.parametrize(
    ("image", "mask", "message"),
    [
        (np.zeros((4, 5), np.uint8), np.zeros((4, 5), bool), "^mask: is hole all over"),
        (np.zeros((4, 5), np.int64), np.ones((4, 5), bool), "^image: has dtype int64"),
        (np.full((4, 5), 9.0), np.ones((4, 5), bool), "^image: has values from 9 to 9"),
        ("missing.png", np.ones((4, 5), bool), "^missing.png: .*no such file"),
        (np.zeros((4, 5)), "missing.png", "^missing.png: .*no such file"),
        ([np.zeros((4, 5)), np.zeros(3)], np.ones((4, 5), bool), "^image 1: has shape"),
        ([np.zeros((4, 5))] * 2, [np.ones((4, 5), bool)] * 3, "there are 2 images and 3 masks"),
    ],
)
def test_what_can_not_be_painted_is_refused_by_name(
    quick, image, mask, message, monkeypatch, tmp_path
):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UserError, match=message):
        quick(image, mask)


@pytest.mark.parametrize("options", [{"trained_width": 0}, {"batch_size": 0}, {"memory_limit": 0}])
def test_wrong_settings_are_refused(network, variables, options):
    with pytest.raises(UserError, match=next(iter(options))):
        Inpainter(network, variables, **options)


def test_it_compiles_once_for_each_padded_size_and_ahead_if_asked(network, variables):
    inpainter = Inpainter(network, variables, trained_width=64)
    inpainter.warm_up([(16, 16), (9, 15)])
    assert inpainter._network.shapes == ((1, 16, 16),)
    known = np.ones((13, 11), bool)
    known[3:6, 3:6] = False
    inpainter(np.zeros((13, 11, 3), np.uint8), known)
    inpainter(np.zeros((13, 11), np.float32), known)
    assert inpainter._network.shapes == ((1, 16, 16),)


def test_compiled_programs_are_kept_in_a_directory(network, variables, tmp_path):
    cache = tmp_path / "cache"
    minimum = jax.config.jax_persistent_cache_min_compile_time_secs
    before = jax.config.jax_compilation_cache_dir
    Inpainter(network, variables, compilation_cache=cache).warm_up([(32, 24)])
    assert jax.config.jax_compilation_cache_dir == before
    assert jax.config.jax_persistent_cache_min_compile_time_secs == minimum
    assert cache.is_dir()


def test_load_takes_weights_and_what_they_say_of_themselves(network, variables, tmp_path):
    import dataclasses

    stored = weights.Weights(network, variables["params"], variables["batch_stats"])
    weights.save(tmp_path / "w.npz", stored)
    image = np.random.default_rng(0).integers(0, 256, (16, 16, 3), np.uint8)
    known = random_mask((16, 16), np.random.default_rng(1))
    loaded = madf_jax.Inpainter.load(tmp_path / "w.npz")
    assert loaded.trained_width == 100
    direct = Inpainter(network, variables)
    np.testing.assert_array_equal(loaded(image, known), direct(image, known))
    assert Inpainter.load(tmp_path / "w.npz", trained_width=30).trained_width == 30
    assert dataclasses.is_dataclass(stored)


def test_the_package_exports_it_without_importing_jax():
    program = """
import sys, madf_jax
assert "Inpainter" in madf_jax.__all__
print(*sorted({"jax", "numpy", "PIL", "cv2"} & set(sys.modules)))
from madf_jax import Inpainter
print(Inpainter.__name__)
"""
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    assert done.stdout.splitlines() == ["", "Inpainter"]
    with pytest.raises(AttributeError, match="no attribute 'Painter'"):
        _ = madf_jax.Painter
