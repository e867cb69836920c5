"""The command `benchmark`: measures, prints a table, writes a report."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

import jax
from tqdm import tqdm

from madf_jax.benchmark import programs, reference, report
from madf_jax.benchmark.images import measure_data
from madf_jax.benchmark.machine import describe_machine
from madf_jax.benchmark.measure import Measurement, alternate
from madf_jax.benchmark.peak import training_peak
from madf_jax.benchmark.programs import Program
from madf_jax.errors import UserError

# Default sizes by part. Sides of the network's images are multiples of 128.
SIZES = {
    "dynamic-filter": (64, 128, 256, 512, 1024),
    "network": (128, 256, 512, 1024),
    "train": (256,),
    "data": (512,),
    "onnx": (512,),
}
_MULTIPLES = {"dynamic-filter": 2, "network": 128, "train": 128, "data": 32, "onnx": 128}
# The form that builds every filter takes 2.7 GiB at 512 pixels.
_PATCHES_MAX_SIZE = 512
_REFERENCE_MAX_SIZE = 512


@dataclasses.dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        parts: keys of `SIZES`.
        sizes: sides of the images; empty means `SIZES`.
        batch: images at a time; 0 means 1, and 6 for the data.
        dtype: of computation.
        repeats: timed runs of each thing.
        reference: a checkout of the PyTorch reference to compare with.
    """

    parts: Sequence[str]
    sizes: Sequence[int]
    batch: int
    dtype: str
    repeats: int
    reference: Path | None


def benchmark(request: Request, output: Path | None) -> int:
    """Measures and prints; with `output` also writes JSON there, a table and a plot beside it.

    Returns:
        0.

    Raises:
        UserError: a size or the checkout does not fit, PyTorch is missing, or the report can't
            be written.
    """
    _check(request, output)
    machine = describe_machine(request.dtype)
    peak = machine["matmul_gflops"]
    todo = [(part, size) for part in request.parts for size in request.sizes or SIZES[part]]
    measurements: list[Measurement] = []
    for part, size in tqdm(todo, desc="benchmark", unit="size"):
        measurements += _BY_PART[part](request, size, peak)
    print(report.to_markdown(machine, measurements))
    if output is not None:
        print("wrote", *report.write_report(output, machine, measurements))
    return 0


def _check(request: Request, output: Path | None) -> None:
    if output is not None:
        report.check_place(output)
    for part in request.parts:
        for size in request.sizes:
            if size < 1 or size % _MULTIPLES[part]:
                raise UserError(f"--size={size}: {part} needs multiples of {_MULTIPLES[part]}")
    if request.reference is not None:
        # Now and not after minutes: PyTorch or the checkout's generator may be missing.
        reference.make_network(request.reference)


def _dynamic_filter(request: Request, size: int, peak: float) -> list[Measurement]:
    batch = request.batch or 1
    forms = ("factored", "patches") if size <= _PATCHES_MAX_SIZE else ("factored",)
    return [
        _measure(
            (f"dynamic-filter {form}", size, batch, request.dtype),
            programs.dynamic_filter_program(form, size, batch, request.dtype),
            None,
            request.repeats,
            peak,
        )
        for form in forms
    ]


def _network(request: Request, size: int, peak: float) -> list[Measurement]:
    batch = request.batch or 1
    program = programs.network_program(size, batch, request.dtype)
    theirs = None
    if request.reference is not None and size <= _REFERENCE_MAX_SIZE:
        theirs = reference.reference_inference(request.reference, *programs.inputs(size, batch))
    return [
        _measure(("network", size, batch, request.dtype), program, theirs, request.repeats, peak)
    ]


def _train(request: Request, size: int, peak: float) -> list[Measurement]:
    batch, theirs, their_peak = request.batch or 1, None, None
    our_peak = None
    if jax.default_backend() == "cpu":  # an accelerator serves one process only
        our_peak = training_peak(size, batch, request.dtype, None)
    if request.reference is not None:
        if our_peak is not None:
            their_peak = training_peak(size, batch, request.dtype, request.reference)
        theirs = reference.reference_training(request.reference, *programs.inputs(size, batch))
    program = programs.train_program(programs.train_setup(size, batch, request.dtype))
    measured = _measure(
        ("train", size, batch, request.dtype), program, theirs, request.repeats, peak
    )
    return [dataclasses.replace(measured, peak_bytes=our_peak, reference_peak_bytes=their_peak)]


def _data(request: Request, size: int, _: float) -> list[Measurement]:
    return measure_data(size, request.batch or 6)


def _onnx(request: Request, size: int, _: float) -> list[Measurement]:
    from madf_jax.benchmark.onnx import measure_onnx

    return [measure_onnx(size, request.batch or 1, request.repeats)]


_BY_PART: dict[str, Callable[[Request, int, float], list[Measurement]]] = {
    "dynamic-filter": _dynamic_filter,
    "network": _network,
    "train": _train,
    "data": _data,
    "onnx": _onnx,
}


def _measure(
    subject: tuple[str, int, int, str],
    program: Program,
    theirs: Callable[[], object] | None,
    repeats: int,
    peak: float,
) -> Measurement:
    runs = {"ours": program.run} if theirs is None else {"ours": program.run, "theirs": theirs}
    seconds = alternate(runs, repeats)
    rate = program.costs.flop / seconds["ours"] / 1e9
    return Measurement(
        *subject,
        seconds["ours"],
        reference_seconds=seconds.get("theirs"),
        ratio=None if theirs is None else seconds["theirs"] / seconds["ours"],
        gflops=rate,
        share_of_peak=rate / peak,
        temp_bytes=program.costs.temporaries,
        compile_seconds=program.costs.seconds,
    )
