"""Painting and scoring with a painter that needs no network, and the painter of a real one."""

import math

import numpy as np
import pytest

from madf_jax.evaluation.scoring import METHODS, mean, mean_psnr, paint_batches, score_examples
from madf_jax.inference.classical import BASELINES
from madf_jax.inference.painter import make_painter
from madf_jax.metrics.image_quality import all_metrics, psnr


def batches_of(image, mask, size):
    for start in range(0, len(image), size):
        yield {"image": image[start : start + size], "mask": mask[start : start + size]}


@pytest.fixture
def inverting_painter():
    """Paints holes with the negative; remembers how many images it was given."""
    sizes = []

    def paint(variables, image, mask):
        assert variables == "variables"
        sizes.append((len(image), len(mask)))
        output = 255 - image
        return output, np.where(mask > 0, image, output)

    paint.sizes = sizes
    return paint


@pytest.fixture(scope="module")
def five(make_batch):
    return make_batch(count=5)


def test_a_smaller_last_batch_is_filled_up_and_cut_again(inverting_painter, five):
    image, mask = five
    painted = list(
        paint_batches(inverting_painter, "variables", batches_of(image, mask, 3), batch_size=3)
    )
    assert inverting_painter.sizes == [(3, 3)] * 2
    assert len(painted) == 5
    for index, (original, hole, output, composite) in enumerate(painted):
        np.testing.assert_array_equal(original, image[index])
        np.testing.assert_array_equal(hole, mask[index])
        np.testing.assert_array_equal(output, 255 - image[index])
        np.testing.assert_array_equal(
            composite, np.where(mask[index] > 0, image[index], 255 - image[index])
        )


def test_every_method_is_scored_on_the_same_images(inverting_painter, five):
    image, mask = five
    batches = batches_of(image, mask, 2)
    examples = list(score_examples(inverting_painter, "variables", batches, batch_size=2))
    assert len(examples) == 5
    for index, example in enumerate(examples):
        assert tuple(example.scores) == tuple(example.composites) == METHODS
        for method, composite in example.composites.items():
            assert example.scores[method] == all_metrics(composite, image[index], mask[index])
            known = mask[index, ..., 0] == 1
            np.testing.assert_array_equal(composite[known], image[index][known])
        for method, fill in BASELINES.items():
            np.testing.assert_array_equal(
                example.composites[method], fill(image[index], mask[index])
            )


@pytest.mark.parametrize("size", [1, 2, 5])
def test_mean_psnr_weighs_every_image_alike(inverting_painter, five, size):
    image, mask = five
    found = mean_psnr(inverting_painter, "variables", batches_of(image, mask, size), size)
    composites = np.where(mask > 0, image, 255 - image)
    expected = [psnr(c, i) for c, i in zip(composites, image, strict=True)]
    assert np.ptp(expected) > 0.01
    assert found == pytest.approx(np.mean(expected))


def test_the_mean_leaves_infinite_values_out():
    assert mean([1.0, math.inf, 3.0]) == 2
    assert math.isnan(mean([math.inf]))
    assert math.isnan(mean([]))


def test_the_painter_paints_the_hole_and_keeps_the_rest(make_network, make_variables, make_batch):
    network = make_network(refinements=1)
    image, mask = make_batch()
    output, composite = make_painter(network)(make_variables(network), image, mask)
    assert (
        (output.dtype, output.shape)
        == (composite.dtype, composite.shape)
        == (np.uint8, image.shape)
    )
    np.testing.assert_array_equal(composite, np.where(mask == 1, image, output))
    assert len(np.unique(output)) > 10
