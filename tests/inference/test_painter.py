import jax
import numpy as np
import pytest

from madf_jax.inference.painter import Painter
from madf_jax.network import denormalize, normalize


@pytest.fixture(scope="module")
def case(make_network, make_variables, make_batch):
    """A network, its variables, five images and masks, and what it makes of them at once."""
    network = make_network(refinements=1)
    variables = make_variables(network)
    images, masks = make_batch(count=5)
    output = jax.jit(
        lambda v, i, m: denormalize(network.apply(v, normalize(i), m, train=False)[-1])
    )
    return network, variables, images, masks, np.asarray(output(variables, images, masks))


@pytest.mark.parametrize("batch_size", [2, 5, 8])
def test_any_number_of_images_is_painted_by_one_program(case, batch_size):
    network, variables, images, masks, expected = case
    painter = Painter(network, batch_size)
    for count in (5, 1):
        painted = painter.with_variables(variables)(images[:count], masks[:count])
        assert (painted.dtype, painted.shape) == (np.uint8, images[:count].shape)
        # Rounding to 8 bits may go the other way where another batch rounds otherwise.
        difference = painted.astype(int) - expected[:count]
        assert np.abs(difference).max() <= 1
        assert np.mean(difference != 0) < 0.01
    assert len(np.unique(expected)) > 10
