import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.evaluation import feature_store
from madf_jax.evaluation.feature_store import (
    FeatureStore,
    KeptFeatures,
    read_features,
    write_features,
)
from madf_jax.weights.inception import InceptionWeights

WEIGHTS = InceptionWeights({}, "abc")


@pytest.fixture
def batches(monkeypatch):
    """Sizes of the batches that the network saw; features are the mean of the image."""
    sizes = []

    def network(preparation, weights, batch_size):
        def features(images):
            sizes.append((preparation, len(images)))
            shift = {"clean": 0, "stylegan": 1000}[preparation]
            means = images.mean((1, 2, 3), dtype=np.float32) + shift
            return np.repeat(means[:, None], feature_store.FEATURES, axis=1)

        return features

    monkeypatch.setattr(feature_store, "_network", network)
    return sizes


def images(count, seed=0):
    return np.random.default_rng(seed).integers(0, 256, (count, 4, 5, 3)).astype(np.uint8)


def test_features_come_in_the_order_of_the_keys_and_once_for_each_image(batches):
    store = FeatureStore(["clean"], WEIGHTS, None, batch_size=3)
    batch = images(7)
    keys = [store.add(image) for image in [*batch, *batch[:2]]]
    found = store.features("clean", keys[::-1])
    np.testing.assert_allclose(found[:, 0], batch[[1, 0, *range(6, -1, -1)]].mean((1, 2, 3)))
    assert batches == [("clean", 3), ("clean", 3), ("clean", 1)]


def test_an_image_that_differs_in_one_value_or_in_shape_is_another():
    kept = KeptFeatures("abc", {})
    store = FeatureStore([], None, kept, batch_size=3)
    one = images(1)[0]
    other = one.copy()
    other[3, 4, 2] ^= 1
    assert len({store.add(one), store.add(other), store.add(one.reshape(5, 4, 3))}) == 3


def test_processes_know_what_any_of_them_computed(batches, play):
    def compute(share):
        store = FeatureStore(["clean"], WEIGHTS, None, batch_size=3)
        for image in share:
            store.add(image)
        store.exchange()
        return store

    one, other = play([lambda: compute(images(5)), lambda: compute(images(2, seed=1))])
    batches.clear()
    keys = [one.add(image) for image in [*images(5), *images(2, seed=1)]]
    np.testing.assert_array_equal(one.features("clean", keys), other.features("clean", keys))
    assert batches == []


def test_a_file_keeps_what_was_computed(batches, tmp_path):
    path = tmp_path / "features.npz"
    store = FeatureStore(["clean", "stylegan"], WEIGHTS, None, batch_size=4)
    keys = [store.add(image) for image in images(4)]
    write_features(path, store.kept())
    batches.clear()
    kept = read_features(path)
    assert kept.weights == "abc"
    for weights in (WEIGHTS, None):
        again = FeatureStore(["clean", "stylegan"], weights, kept, batch_size=4)
        assert [again.add(image) for image in images(4)] == keys
        for name in ("clean", "stylegan"):
            np.testing.assert_array_equal(again.features(name, keys), store.features(name, keys))
    assert batches == []


def test_new_images_are_added_to_those_of_the_file(batches, tmp_path):
    path = tmp_path / "features.npz"
    first = FeatureStore(["clean"], WEIGHTS, None, batch_size=4)
    first.add(images(1)[0])
    write_features(path, first.kept())
    second = FeatureStore(["stylegan"], WEIGHTS, read_features(path), batch_size=4)
    second.add(images(1)[0])
    second.add(images(1, seed=1)[0])
    write_features(path, second.kept())
    rows = read_features(path).rows
    assert {name: len(found) for name, found in rows.items()} == {"clean": 1, "stylegan": 2}


def test_without_weights_an_image_that_is_not_kept_is_an_error(batches, tmp_path):
    store = FeatureStore(["clean"], None, KeptFeatures("abc", {}), batch_size=4)
    with pytest.raises(UserError, match=r"lacks features of an image; .*inception_weights=FILE"):
        store.add(images(1)[0])


def test_features_of_other_weights_are_refused(batches):
    with pytest.raises(UserError, match="features of other Inception weights; name another file"):
        FeatureStore(["clean"], WEIGHTS, KeptFeatures("other", {}), batch_size=4)


KEYS, ROWS = np.zeros((2, 32), np.uint8), np.zeros((2, feature_store.FEATURES), np.float32)


@pytest.mark.parametrize(
    "arrays",
    [
        {"a": np.zeros(3)},
        {"weights": "x", "clean/images": KEYS},
        {"clean/images": KEYS, "clean/features": ROWS},
        {"weights": "x", "clean/images": KEYS[:1], "clean/features": ROWS},
        {"weights": "x", "clean/images": KEYS[:, :31], "clean/features": ROWS},
        {"weights": "x", "clean/images": KEYS, "clean/features": ROWS[:, :7]},
        {"weights": "x", "clean/images": KEYS, "clean/features": ROWS.astype(np.float64)},
        {"weights": "x", "clean/images": KEYS, "clean/features": ROWS + np.nan},
    ],
)
def test_a_file_of_something_else_is_refused(tmp_path, arrays):
    with (tmp_path / "f.npz").open("wb") as file:
        np.savez(file, **arrays)
    with pytest.raises(UserError, match=r"--features=.*f\.npz: holds no features"):
        read_features(tmp_path / "f.npz")


def test_a_file_that_is_no_archive_is_refused(tmp_path):
    (tmp_path / "f.npz").write_bytes(b"nothing")
    with pytest.raises(UserError, match=r"f\.npz: "):
        read_features(tmp_path / "f.npz")
