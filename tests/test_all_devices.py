import jax
import numpy as np
import pytest

from madf_jax import all_devices
from madf_jax.all_devices import OnAllDevices


def weighted_means(weights, x, y):
    return ((x - 2.0 * y) * weights).mean(axis=(1, 2))


@pytest.fixture
def pairs():
    return np.random.default_rng(0).integers(0, 256, (2, 11, 6, 5, 3)).astype(np.uint8)


@pytest.mark.parametrize("batch_size", [1, 3, 8, 64])
def test_results_do_not_depend_on_the_batch(pairs, batch_size):
    weights = np.asarray([1.0, 2.0, 3.0], np.float32)
    found = OnAllDevices(weighted_means, weights, batch_size)(*pairs)
    np.testing.assert_allclose(found, weighted_means(weights, *pairs.astype(np.float32)), rtol=1e-5)


def test_one_program_serves_all_batches_and_devices_share_them(pairs, monkeypatch):
    traced = []

    def function(weights, x):
        traced.append(x.shape)
        return x.mean(axis=(1, 2, 3)) * weights

    run = OnAllDevices(function, 1.0, batch_size=6)
    placed = []
    monkeypatch.setattr(
        jax, "device_put", lambda x, s, put=jax.device_put: placed.append(put(x, s)) or placed[-1]
    )
    run(pairs[0])
    run(pairs[0][:1])
    assert jax.local_device_count() == 4
    assert traced == [(2, 6, 5, 3)]  # of each of four devices
    assert {len(batch[0].sharding.device_set) for batch in placed} == {4}


def test_other_variables_need_no_other_program(pairs):
    traced = []

    def function(weights, x):
        traced.append(x.shape)
        return x.mean(axis=(1, 2, 3)) * weights

    ones = OnAllDevices(function, 1.0, batch_size=6)
    twos = ones.with_variables(2.0)
    np.testing.assert_allclose(twos(pairs[0]), 2 * ones(pairs[0]), rtol=1e-6)
    assert len(traced) == 1


def test_large_images_come_in_smaller_batches(pairs, monkeypatch):
    monkeypatch.setattr(all_devices, "_PIXELS", 2 * 6 * 5)
    sizes = []

    def function(_, x):
        sizes.append(len(x))
        return x.mean(axis=(1, 2, 3))

    OnAllDevices(function, None, batch_size=64)(pairs[0])
    OnAllDevices(function, None, batch_size=64, images_of=2)(pairs[0])
    assert sizes == [2, 1]
