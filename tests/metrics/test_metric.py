import numpy as np
import pytest

from madf_jax.metrics import image_quality
from madf_jax.metrics.metric import METRICS, score_batch


def flat(value, size=16, channels=3):
    return np.full((2, size, size, channels), value, np.uint8)


def test_a_batch_gives_what_its_images_give():
    generator = np.random.default_rng(1)
    painted, original = generator.integers(0, 256, (2, 3, 52, 51, 3)).astype(np.uint8)
    masks = generator.integers(0, 2, (3, 52, 51, 1)).astype(np.uint8)
    found = score_batch(painted, original, masks, METRICS)
    assert len(found) == 3
    for values, x, y, mask in zip(found, painted, original, masks, strict=True):
        assert values == {
            name: image_quality.hole_l1(x, y, mask)
            if name == "hole_l1"
            else getattr(image_quality, name)(x, y)
            for name in METRICS
        }
    some = score_batch(painted, original, masks, {"l1": METRICS["l1"]})
    assert some == [{"l1": values["l1"]} for values in found]


@pytest.mark.parametrize("name", METRICS)
def test_the_direction_of_each_metric(name):
    """A smaller error is better by every metric."""
    original = np.random.default_rng(0).integers(60, 200, (1, 60, 60, 3)).astype(np.uint8)
    near, far = (
        score_batch(original + np.uint8(shift), original, flat(0, 60, 1)[:1], METRICS)[0][name]
        for shift in (3, 30)
    )
    assert (near > far) == METRICS[name].higher_is_better
    assert near != far


@pytest.mark.parametrize("name", METRICS)
def test_an_image_below_the_least_side_is_refused(name):
    side = METRICS[name].min_side
    enough = score_batch(flat(1, side), flat(0, side), flat(0, side, 1), {name: METRICS[name]})
    assert np.isfinite([values[name] for values in enough]).all()
    if side > 1:
        with pytest.raises(ValueError, match=f"needs sides of {side} pixels"):
            small = flat(1, side - 1), flat(0, side - 1), flat(0, side - 1, 1)
            score_batch(*small, {name: METRICS[name]})


@pytest.mark.parametrize(
    ("painted", "original", "mask", "message"),
    [
        (flat(0), flat(0, 32), flat(1, 32, 1), r"\(2, 16, 16, 3\)"),
        (flat(0), flat(0), flat(1, 16, 1)[..., 0], r"\(2, 16, 16\)"),
        (flat(0)[..., :1], flat(0)[..., :1], flat(1, 16, 1), r"\(2, 16, 16, 1\)"),
        (flat(0)[:1], flat(0), flat(1, 16, 1), r"\(1, 16, 16, 3\)"),
        (flat(0) / 255, flat(0), flat(1, 16, 1), "float64"),
    ],
)
def test_wrong_shapes_and_dtypes_are_refused(painted, original, mask, message):
    with pytest.raises(ValueError, match=message):
        score_batch(painted, original, mask, METRICS)
