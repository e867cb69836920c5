"""The process that measures one series, or describes the card; it prints a line for each result.

A process of its own, since JAX keeps the card's memory to itself until its process ends, and since
what fails for want of memory may take the process with it.
"""

import dataclasses
import gc
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any, get_args

import jax

from madf_jax.benchmark import programs
from madf_jax.benchmark.gpu.batches import growing_batches
from madf_jax.benchmark.gpu.series import Dtype, Row, Series
from madf_jax.benchmark.machine import describe_machine, matmul_gflops
from madf_jax.benchmark.measure import settled_seconds
from madf_jax.benchmark.reference import Form, reference_inference, reference_training

_MATMUL_SIDE = {"cpu": 1024}
_MATMUL_SIDE_ELSEWHERE = 8192  # smaller ones leave parts of a large card idle
_LONGEST_NOTE = 160

Report = Callable[[dict[str, Any]], None]


@dataclasses.dataclass(frozen=True)
class Task:
    """What the process does.

    Attributes:
        series: to measure; None describes the card.
        reference: a checkout of the PyTorch reference, where the series is of it.
        platform: JAX's name of it; 'cpu' to try all of this out.
        largest: no batch is larger.
    """

    series: Series | None
    reference: str | None
    platform: str
    largest: int

    @classmethod
    def read(cls, text: str) -> "Task":
        """The inverse of `json.dumps(dataclasses.asdict(task))`."""
        fields = json.loads(text)
        series = fields.pop("series")
        return cls(None if series is None else Series(**series), **fields)


def perform(task: Task, report: Report) -> None:
    """Measures or describes.

    Args:
        task: what to do.
        report: takes {'begun': batch} and {'row': fields}, or {'card': fields}.
    """
    if task.series is None:
        report({"card": _describe_card(task.platform)})
        return
    series, measure = task.series, _measure_reference if task.series.reference else _measure

    def attempt(batch: int) -> Row:
        report({"begun": batch})
        try:
            return measure(series, batch, task)
        except Exception as error:  # whatever it is, it is that row's result
            return Row(series, batch, note=_reason(error))
        finally:
            gc.collect()  # what the card holds for it

    for row in growing_batches(attempt, task.largest):
        report({"row": dataclasses.asdict(row)})


def _describe_card(platform: str) -> dict[str, Any]:
    try:
        device = jax.local_devices()[0]
    except (AssertionError, RuntimeError):  # see `madf_jax.devices`
        sys.exit(f"it finds none of platform {platform}")
    side = _MATMUL_SIDE.get(device.platform, _MATMUL_SIDE_ELSEWHERE)
    card = describe_machine("float32")
    card["matmul_gflops"] = {dtype: matmul_gflops(dtype, side) for dtype in get_args(Dtype)}
    return {**card, "memory": (device.memory_stats() or {}).get("bytes_limit")}


def _measure(series: Series, batch: int, _: Task) -> Row:
    if series.what == "train":
        program = programs.train_program(programs.train_setup(series.size, batch, series.dtype))
    else:
        program = programs.network_program(series.size, batch, series.dtype)
    seconds, costs = settled_seconds(program.run), program.costs
    return Row(series, batch, seconds, costs.memory, costs.seconds)


def _measure_reference(series: Series, batch: int, task: Task) -> Row:
    form = Form("cpu" if task.platform == "cpu" else "cuda", tuned=series.dtype == "bfloat16")
    prepare = reference_training if series.what == "train" else reference_inference
    arrays = programs.inputs(series.size, batch)
    run = prepare(Path(task.reference or ""), *arrays, form)
    seconds = settled_seconds(run)
    return Row(series, batch, seconds, form.peak_memory())


def _reason(error: Exception) -> str:
    text = " ".join(str(error).split()) or type(error).__name__
    if "RESOURCE_EXHAUSTED" in text or "out of memory" in text.lower():
        return "out of memory"
    return text[:_LONGEST_NOTE]


def main() -> None:
    """Performs the task in the argument and prints what it reports, as JSON."""
    output = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # what libraries print shall not mix with it
    perform(Task.read(sys.argv[1]), lambda said: print(json.dumps(said), file=output, flush=True))


if __name__ == "__main__":
    main()
