"""The network in an ONNX file, run by onnxruntime: no JAX is needed."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.files import any_path, local_copy, system_errors
from madf_jax.imagenet import IMAGENET_MEAN, IMAGENET_STD
from madf_jax.inference.onnx_file import read_onnx
from madf_jax.inference.onnx_shapes import live_bytes
from madf_jax.inference.sizes import Shape
from madf_jax.weights.checks import error_context

# onnxruntime also holds copies of feature maps in other layouts, and matrices that make matmuls of
# convolutions: up to 1.7 times what is live was measured.
_COPIES = 2
_QUIET = 4  # onnxruntime's levels: errors, which are raised, too, have 3


class OnnxPainter:
    """A `Program` that runs an exported network on the CPU, on all of its cores.

    Args:
        path: of a file that `madf-jax export --format onnx` wrote, local or in a bucket: the bare
            network or the composite. The composite's images are 8-bit: what it is given is rounded,
            and what it paints.

    Attributes:
        multiple: of which sides must be, in pixels.
        batch_size: a CPU gains nothing by more images at once.
        metadata: of the weights.

    Raises:
        UserError: the extra [onnx] is not installed, or the file is no good (`read_onnx`).
    """

    batch_size = 1

    def __init__(self, path: str | os.PathLike[str]) -> None:
        source = any_path(path)
        with system_errors(source), local_copy(source) as here:
            file = read_onnx(here)
        self.multiple = file.multiple
        self.metadata: Mapping[str, Any] = file.metadata
        with error_context(source):
            side = self.multiple
            self._bytes_per_pixel = _COPIES * live_bytes(file.model, (1, side, side)) / side**2
            self._session = _start(file.content)
            self._dtype = _dtype_of(self._session)

    def __call__(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        """Runs the network, as `CompiledNetwork` does.

        Args:
            image: (N, H, W, 3), float32 in [0, 255], RGB; pixels under holes are not read. H and W
                are multiples of `multiple`.
            mask: (N, H, W, 1), uint8, 1 = known, 0 = hole.

        Returns:
            (N, H, W, 3), float32 in [0, 255]; a bare network's is not rounded, and known pixels are
            the network's, too.

        Raises:
            UserError: onnxruntime can't run it.
        """
        if self._dtype == np.uint8:
            return self._run(np.rint(image).astype(np.uint8), mask).astype(np.float32)
        mean, std = (np.asarray(value, np.float32) for value in (IMAGENET_MEAN, IMAGENET_STD))
        output = self._run((image / np.float32(255) - mean) / std, mask.astype(np.float32))
        return np.clip(output * std + mean, 0, 1) * np.float32(255)

    def compile(self, shape: Shape) -> None:
        """Nothing: onnxruntime compiles nothing for a shape."""

    def working_bytes(self, shape: Shape) -> float:
        """Memory that a call for batches of a shape (N, H, W) takes besides the weights, about."""
        return self._bytes_per_pixel * float(np.prod(shape))

    def _run(self, image: np.ndarray, mask: np.ndarray) -> np.ndarray:
        try:
            (result,) = self._session.run(None, {"image": image, "mask": mask})
        except Exception as error:  # onnxruntime's have no class of their own in common
            reason = " ".join(str(error).split())
            size = "x".join(map(str, image.shape[:3]))
            raise UserError(
                f"onnxruntime can't run the network on {size} pixels: {reason}"
            ) from None
        return result


def _start(content: bytes) -> Any:
    """A session of onnxruntime.

    Raises:
        UserError: it refuses the file.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = _QUIET
    # Planned for each shape, memory lies together, but takes 1.7 times as much.
    options.enable_mem_pattern = False
    try:
        return onnxruntime.InferenceSession(content, options, providers=["CPUExecutionProvider"])
    except Exception as error:
        reason = " ".join(str(error).split())
        raise UserError(f"onnxruntime refuses it: {reason}") from None


def _dtype_of(session: Any) -> np.dtype[Any]:
    """That of the inputs, after all inputs and outputs were found to be an export's.

    Raises:
        UserError: they are not.
    """
    dtypes: dict[str, np.dtype[Any]] = {
        "tensor(float)": np.dtype(np.float32),
        "tensor(uint8)": np.dtype(np.uint8),
    }
    found = [(given.name, given.shape[-1:], given.type) for given in session.get_inputs()]
    kind = found[0][2] if found else ""
    results = [(given.shape[-1:], given.type) for given in session.get_outputs()]
    wanted = [("image", [3], kind), ("mask", [1], kind)]
    if kind not in dtypes or found != wanted or results != [([3], kind)]:
        raise UserError("its inputs and outputs are not those of an export")
    return dtypes[kind]
