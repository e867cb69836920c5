"""The published network in onnxruntime, compared with JAX."""

import tempfile
from pathlib import Path

import jax
import numpy as np

from madf_jax.benchmark.measure import Measurement, alternate
from madf_jax.benchmark.programs import inputs
from madf_jax.export.onnx_model import write_onnx
from madf_jax.inference.onnx_painter import OnnxPainter
from madf_jax.inference.program import CompiledNetwork
from madf_jax.network import MADF
from madf_jax.state.train_state import init_variables
from madf_jax.weights import Weights


def measure_onnx(size: int, batch: int, repeats: int) -> Measurement:
    """Both in turn in this process, in float32, with random weights.

    Args:
        size: side of the images.
        batch: images at a time.
        repeats: timed runs of each.

    Returns:
        A measurement of JAX, with onnxruntime as the reference.

    Raises:
        UserError: onnxruntime is missing.
    """
    network = MADF()
    variables = jax.jit(lambda: init_variables(network, jax.random.key(0)))()
    image, mask = inputs(size, batch)
    pixels = image.astype(np.float32)
    with tempfile.TemporaryDirectory(prefix="madf-jax-") as folder:
        path = Path(folder, "network.onnx")
        write_onnx(Weights(network, **variables), path, uint8=False, dtype="float32")
        theirs = OnnxPainter(path)
    ours = CompiledNetwork.of(network, variables)
    runs = {"ours": lambda: ours(pixels, mask), "theirs": lambda: theirs(pixels, mask)}
    seconds = alternate(runs, repeats)
    return Measurement(
        "network, onnxruntime as reference",
        *(size, batch, "float32", seconds["ours"]),
        reference_seconds=seconds["theirs"],
        ratio=seconds["theirs"] / seconds["ours"],
    )
