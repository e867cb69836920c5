import grain
import numpy as np
import pytest

from madf_jax.data.grain_masks import AddMask
from madf_jax.data.masks import make_generator
from madf_jax.data.options import MaskOptions

ADD = AddMask(make_generator(MaskOptions(generator="lama_medium_256")))


def dataset(seed, shape=(32, 32, 3)):
    source = grain.MapDataset.range(4).map(lambda i: {"image": np.full(shape, i), "label": i})
    return source.seed(seed).random_map(ADD)


def test_a_pipeline_of_ones_own_gets_masks_by_its_seed():
    elements = list(dataset(7))
    assert [element["label"] for element in elements] == [0, 1, 2, 3]
    masks = np.stack([element["mask"] for element in elements])
    assert masks.shape == (4, 32, 32, 1) and 0.1 <= 1 - masks.mean() <= 0.4
    assert len({mask.tobytes() for mask in masks}) == 4
    np.testing.assert_array_equal(masks, [element["mask"] for element in dataset(7)])
    assert (masks != [element["mask"] for element in dataset(8)]).any()


def test_an_image_that_is_not_square_is_refused():
    with pytest.raises(ValueError, match="the image is 16x32; crop it first"):
        dataset(7, (32, 16, 3))[0]
