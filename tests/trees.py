"""Comparing trees of arrays."""

from typing import Any

import jax
import numpy as np


def assert_identical(one: Any, other: Any) -> None:
    """Two trees have the same form, and their arrays the same dtypes and bits."""
    assert jax.tree.structure(one) == jax.tree.structure(other)
    for a, b in zip(jax.tree.leaves(one), jax.tree.leaves(other), strict=True):
        a, b = np.asarray(a), np.asarray(b)
        assert (a.dtype, a.tobytes()) == (b.dtype, b.tobytes())
