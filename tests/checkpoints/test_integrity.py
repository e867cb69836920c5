"""Checksums and names of arrays."""

import jax
import jax.numpy as jnp
import numpy as np
import pytest

from madf_jax.checkpoints import integrity
from madf_jax.checkpoints.integrity import describe, digest


def test_describe_names_every_array():
    tree = {"params": {"a": np.zeros((3, 2), np.float32)}, "step": np.zeros((), np.int32)}
    assert describe(tree) == {"params/a": "float32[3,2]", "step": "int32[]"}


@pytest.mark.parametrize("dtype", [np.float32, np.int32, jnp.bfloat16])
def test_the_digest_sees_one_flipped_bit_and_swapped_words(dtype):
    array = np.arange(1, 101).astype(dtype)
    tree = {"a": array, "b": np.ones(3, np.float32)}
    whole = digest(tree)
    width = np.dtype(dtype).itemsize
    for bit in (0, 3, 8 * width - 1):
        flipped = np.frombuffer(array.tobytes(), f"u{width}").copy()
        flipped[70] ^= np.asarray(1 << bit, flipped.dtype)
        changed = digest({**tree, "a": flipped.view(dtype)})
        assert changed[0] != whole[0]
        assert changed[1] == whole[1]
    swapped = array.copy()
    swapped[[3, 4]] = swapped[[4, 3]]
    assert digest({**tree, "a": swapped}) != whole
    assert digest({**tree}) == whole


@pytest.mark.parametrize("dtype", [np.float32, np.int32, jnp.bfloat16])
@pytest.mark.parametrize("shape", [(), (7,), (3, 5, 2)])
def test_host_and_device_compute_the_same_checksum(monkeypatch, dtype, shape):
    monkeypatch.setattr(integrity, "_CHUNK", 4)
    array = np.random.default_rng(0).standard_normal(shape).astype(dtype)
    assert int(integrity._checksum(jax.numpy.asarray(array))) == digest([array])[0]
