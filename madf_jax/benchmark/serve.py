"""What painting an image costs, in JAX and in onnxruntime: seconds and memory by size and dtype."""

from __future__ import annotations

import dataclasses
import json
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tqdm import tqdm

from madf_jax.benchmark import serve_one
from madf_jax.benchmark.machine import describe_machine
from madf_jax.errors import UserError
from madf_jax.files import AnyPath, prepare_target, write_text
from madf_jax.inference.demo_weights import demo_weights
from madf_jax.weights import load, save

SIZES = ((256, 256), (512, 512), (1024, 1024), (3000, 4000))
"""Heights and widths."""

_JAX, _ONNX = "JAX", "onnxruntime"
_KINDS = ((_JAX, "float32"), (_JAX, "bfloat16"), (_ONNX, "float32"), (_ONNX, "float16"))
_HEADER = "| runtime | dtype | image | first call | each further | peak memory |"


@dataclasses.dataclass(frozen=True)
class Served:
    """An image painted again and again by `Inpainter`, in a process that does only this.

    Attributes:
        runtime: 'JAX' or 'onnxruntime'.
        dtype: of computation.
        height: of the image, pixels.
        width: likewise.
        load_seconds: to read the weights.
        first_seconds: of the first image, in which JAX compiles.
        seconds: of each further one, the median.
        peak_bytes: of the process, from its start to its end.
    """

    runtime: str
    dtype: str
    height: int
    width: int
    load_seconds: float
    first_seconds: float
    seconds: float
    peak_bytes: int


def serve(
    weights: AnyPath | str | None, sizes: Sequence[int], repeats: int, output: Path | None
) -> int:
    """Measures and prints a table; with `output` also writes JSON there, and the table beside it.

    Args:
        weights: what `madf_jax.weights.load` reads; None for the demo weights.
        sizes: sides of square images; empty means `SIZES`.
        repeats: further images, at most; those of large images end after ten seconds.
        output: ends in .json.

    Returns:
        0.

    Raises:
        UserError: the weights are no good, onnxruntime is missing, a process failed, or a file
            can't be written.
    """
    if output is not None:
        _check_place(output)
    shapes = [(side, side) for side in sizes] or SIZES
    rows = []
    with _files(weights) as files:
        machine = describe_machine("float32")
        todo = [(kind, shape) for shape in shapes for kind in _KINDS]
        for (runtime, dtype), shape in tqdm(todo, desc="serve", unit="process"):
            found = _measure(files[runtime, dtype], dtype, shape, repeats)
            rows.append(Served(runtime, dtype, *shape, **found))
    table = to_markdown(machine, rows)
    print(table)
    if output is not None:
        content = {"machine": machine, "serve": [dataclasses.asdict(row) for row in rows]}
        write_text(output, json.dumps(content, indent=1) + "\n")
        write_text(output.with_suffix(".md"), table)
        print("wrote", output, output.with_suffix(".md"))
    return 0


def to_markdown(machine: Mapping[str, Any], rows: Sequence[Served]) -> str:
    """A line on the machine, and the table."""
    lines = [
        f"{machine['processor']}, {machine['cores']} cores.",
        "",
        _HEADER,
        "| --- " * (_HEADER.count("|") - 1) + "|",
    ]
    lines += [
        f"| {row.runtime} | {row.dtype} | {row.width}x{row.height} | {row.first_seconds:.2f} s "
        f"| {row.seconds:.3g} s | {row.peak_bytes / 1e6:,.0f} MB |"
        for row in rows
    ]
    return "\n".join(lines) + "\n"


def _check_place(path: Path) -> None:
    if path.suffix != ".json":
        raise UserError(f"--json={path}: give a name that ends in .json")
    for file in (path, path.with_suffix(".md")):
        prepare_target(file, "--json")


@contextmanager
def _files(weights: AnyPath | str | None) -> Iterator[dict[tuple[str, str], str]]:
    """The file of weights for each runtime and dtype."""
    from madf_jax.export.onnx_model import write_onnx

    loaded = load(demo_weights() if weights is None else weights)
    with tempfile.TemporaryDirectory(prefix="madf-jax-") as name:
        folder = Path(name)
        files = {(_JAX, dtype): folder / "w.safetensors" for dtype in ("float32", "bfloat16")}
        save(folder / "w.safetensors", loaded)
        write_onnx(loaded, folder / "f32.onnx", uint8=False, dtype="float32")
        write_onnx(loaded, folder / "f16.onnx", uint8=False, dtype="float16")
        files |= {(_ONNX, f"float{bits}"): folder / f"f{bits}.onnx" for bits in (32, 16)}
        yield {kind: str(file) for kind, file in files.items()}


def _measure(file: str, dtype: str, shape: tuple[int, int], repeats: int) -> dict[str, Any]:
    """What `serve_one` finds in a process of its own.

    Raises:
        UserError: the process failed; the message ends with its last line.
    """
    settings = json.dumps([file, dtype, *shape, repeats])
    done = subprocess.run(
        [sys.executable, "-m", serve_one.__name__, settings], capture_output=True, text=True
    )
    if done.returncode:
        last = (done.stderr.strip() or "no message").splitlines()[-1]
        raise UserError(f"painting {shape[1]}x{shape[0]} pixels failed: {last}")
    return json.loads(done.stdout.splitlines()[-1])
