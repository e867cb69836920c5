import functools

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from jax.sharding import AxisType
from jax.sharding import PartitionSpec as P

from madf_jax.network.normalization import BatchNorm, PointwiseNorm

EPSILON = 1e-5


def fresh(width):
    return {
        "mean": np.zeros(width, np.float32),
        "var": np.ones(width, np.float32),
        "count": np.zeros((), np.int32),
    }


def apply(norm, x, stats=None, params=None, *, train=True):
    variables = {"batch_stats": stats or fresh(x.shape[-1]), "params": params or {}}
    y, updates = norm.apply(variables, x, train=train, mutable=["batch_stats"])
    return y, updates["batch_stats"]


@pytest.fixture
def x():
    return np.random.default_rng(0).normal(3, 2, (4, 2, 3, 5)).astype(np.float32)


def test_training_normalizes_by_the_biased_variance_and_scales(x):
    params = {"scale": np.arange(1, 6, dtype=np.float32), "bias": np.full(5, 0.5, np.float32)}
    y, _ = apply(BatchNorm(), x, params=params)
    axes = (0, 1, 2)
    expected = (x - x.mean(axes)) / np.sqrt(x.var(axes) + EPSILON) * params["scale"] + 0.5
    np.testing.assert_allclose(y, expected, rtol=1e-4, atol=1e-5)


def test_running_statistics_are_those_of_pytorch(x):
    norm = BatchNorm(affine=False)
    axes, stats = (0, 1, 2), {**fresh(5), "count": np.asarray(7, np.int32)}
    _, stats = apply(norm, x, stats)
    unbiased = x.var(axes, ddof=1)
    np.testing.assert_allclose(stats["mean"], 0.1 * x.mean(axes), rtol=1e-5)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * unbiased, rtol=1e-5)
    assert (stats["count"], stats["count"].dtype) == (8, np.int32)
    _, stats = apply(norm, x, stats)
    np.testing.assert_allclose(stats["mean"], 0.19 * x.mean(axes), rtol=1e-5)
    assert stats["count"] == 9


def test_inference_takes_the_running_statistics_and_keeps_them(x):
    stats = {
        "mean": np.full(5, 2, np.float32),
        "var": np.full(5, 9, np.float32),
        "count": np.int32(3),
    }
    y, after = apply(BatchNorm(affine=False), x, stats, train=False)
    np.testing.assert_allclose(y, (x - 2) / np.sqrt(9 + EPSILON), rtol=1e-5, atol=1e-6)
    jax.tree.map(np.testing.assert_array_equal, after, stats)


def test_statistics_of_bfloat16_are_computed_and_kept_in_float32(x):
    low = jnp.asarray(x + 300, jnp.bfloat16)
    norm = BatchNorm(affine=False, dtype=jnp.bfloat16)
    y, stats = apply(norm, low)
    exact = np.asarray(low, np.float64)
    assert y.dtype == jnp.bfloat16
    assert {stats["mean"].dtype, stats["var"].dtype} == {np.dtype(np.float32)}
    # bfloat16 holds 300 to about 1; sums in it would be off by far more than this.
    np.testing.assert_allclose(stats["mean"], 0.1 * exact.mean((0, 1, 2)), rtol=1e-6)
    np.testing.assert_allclose(stats["var"], 0.9 + 0.1 * exact.var((0, 1, 2), ddof=1), rtol=1e-4)


@pytest.fixture(scope="module")
def on_four_devices():
    """Applies a batch norm to shards of a batch; outputs and statistics are stacked by device."""

    def run(norm, x):
        mesh = jax.make_mesh((4,), ("data",), axis_types=(AxisType.Auto,))
        step = functools.partial(apply, norm)

        def shard(part):
            y, stats = step(part)
            return y, jax.tree.map(lambda leaf: leaf[None], stats)

        return jax.jit(jax.shard_map(shard, mesh=mesh, in_specs=P("data"), out_specs=P("data")))(x)

    return run


def test_synchronized_statistics_are_those_of_the_whole_batch(on_four_devices, x):
    y, stats = on_four_devices(BatchNorm(affine=False, axis_name="data"), x)
    whole, whole_stats = apply(BatchNorm(affine=False), x)
    np.testing.assert_allclose(y, whole, rtol=1e-5, atol=1e-6)
    for name in ("mean", "var", "count"):
        for device in range(4):
            np.testing.assert_allclose(stats[name][device], whole_stats[name], rtol=1e-6)


def test_per_device_statistics_are_each_shards_own(on_four_devices, x):
    y, stats = on_four_devices(BatchNorm(affine=False), x)
    for device in range(4):
        own, own_stats = apply(BatchNorm(affine=False), x[device : device + 1])
        np.testing.assert_allclose(y[device : device + 1], own, rtol=1e-5, atol=1e-6)
        for name in ("mean", "var", "count"):
            np.testing.assert_allclose(stats[name][device], own_stats[name], rtol=1e-6)
    assert np.ptp(stats["mean"], axis=0).min() > 0.01


def test_pointwise_norm_in_closed_form():
    """Kernels with a center tap only: each pixel can be computed by hand."""
    generator = np.random.default_rng(1)
    x = generator.standard_normal((2, 4, 4, 3)).astype(np.float32)
    guide = generator.standard_normal((2, 4, 4, 2)).astype(np.float32)
    scale, bias = generator.standard_normal((2, 2, 3)).astype(np.float32)

    def center(matrix, offset):
        kernel = np.zeros((3, 3, *matrix.shape), np.float32)
        kernel[1, 1] = matrix
        return {"kernel": kernel, "bias": np.full(matrix.shape[1], offset, np.float32)}

    params = {
        "shared": center(np.eye(2, dtype=np.float32), 0.25),
        "scale": center(scale, 0.5),
        "bias": center(bias, -1.0),
    }
    stats = {"mean": np.full(3, 0.1), "var": np.full(3, 4.0), "count": np.int32(1)}
    variables = {"params": params, "batch_stats": {"batch_norm": stats}}
    y = PointwiseNorm(hidden=2).apply(variables, x, guide, train=False)
    a = np.maximum(guide + 0.25, 0)
    normalized = (x - 0.1) / np.sqrt(4 + EPSILON)
    np.testing.assert_allclose(
        y, normalized * (1 + a @ scale + 0.5) + a @ bias - 1, rtol=1e-4, atol=1e-5
    )
