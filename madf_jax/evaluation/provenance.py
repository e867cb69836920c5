"""What an evaluation was made with, so that it can be repeated."""

import hashlib
import importlib.metadata
import platform
import shlex
from collections.abc import Sequence
from typing import Any

import jax
import numpy as np

from madf_jax import __version__
from madf_jax.errors import escape

_LIBRARIES = ("jax", "jaxlib", "flax", "numpy", "scipy", "scikit-image", "scikit-learn", "pillow")


def describe_program(command: Sequence[str]) -> dict[str, Any]:
    """The command and the versions, as `evaluation.json` holds them.

    Args:
        command: words of the command line; empty if there was none.
    """
    versions = {name: importlib.metadata.version(name) for name in _LIBRARIES}
    device = jax.local_devices()[0].device_kind
    return {
        "command": escape(shlex.join(command)) if command else None,
        "versions": {"madf-jax": __version__, "python": platform.python_version(), **versions},
        "devices": f"{jax.local_device_count()} x {device}",
    }


def hash_variables(variables: Any) -> str:
    """SHA-256 of names, shapes, dtypes and values of a tree of arrays, in hexadecimal digits.

    The same weights have the same hash, whatever file they were read from.
    """
    digest = hashlib.sha256()
    leaves = jax.tree_util.tree_leaves_with_path(variables)
    named = {jax.tree_util.keystr(path): leaf for path, leaf in leaves}
    for name in sorted(named):
        array = np.ascontiguousarray(named[name])
        digest.update(f"{name} {array.dtype} {array.shape}\n".encode())
        digest.update(array.tobytes())
    return digest.hexdigest()
