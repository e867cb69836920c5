"""A benchmark as JSON, as a Markdown table and as a plot."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from madf_jax.benchmark.measure import Measurement, slope
from madf_jax.errors import UserError
from madf_jax.files import prepare_target, write_text, write_whole

_HEADER = (
    "| what | size | batch | dtype | seconds | reference | ratio | GFLOP/s | of peak | temporaries "
    "| compiling | process | reference's |"
)


def to_json(machine: Mapping[str, Any], measurements: Sequence[Measurement]) -> dict[str, Any]:
    """The machine, the measurements, and the slopes of what has at least three sizes."""
    return {
        "machine": dict(machine),
        "rows": [dataclasses.asdict(one) for one in measurements],
        "slopes": slopes(measurements),
    }


def slopes(measurements: Sequence[Measurement]) -> dict[str, float]:
    """The power of the number of pixels with which the time of each thing grows."""
    by_name: dict[str, list[Measurement]] = {}
    for one in measurements:
        by_name.setdefault(one.what, []).append(one)
    found = {what: slope(several) for what, several in by_name.items()}
    return {what: value for what, value in found.items() if value is not None}


def to_markdown(machine: Mapping[str, Any], measurements: Sequence[Measurement]) -> str:
    """A line on the machine, the table, and a line for each slope."""
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['device']}; "
        f"a matmul runs at {machine['matmul_gflops']:.0f} GFLOP/s.",
        "",
        _HEADER,
        "| --- " * (_HEADER.count("|") - 1) + "|",
        *map(_line, measurements),
    ]
    for what, value in slopes(measurements).items():
        lines += ["", f"Time of {what} grows with the number of pixels to the power {value:.2f}."]
    return "\n".join(lines) + "\n"


def check_place(path: Path) -> None:
    """Finds out whether `write_report` can write there, before minutes are spent.

    Raises:
        UserError: `path` does not end in .json, or one of the three files can't be written.
    """
    if path.suffix != ".json":
        raise UserError(f"--json={path}: give a name that ends in .json")
    for file in _files(path):
        prepare_target(file, "--json")


def write_report(
    path: Path, machine: Mapping[str, Any], measurements: Sequence[Measurement]
) -> list[Path]:
    """Writes `path`, and beside it the table (.md) and the plot (.png).

    Returns:
        The three paths.

    Raises:
        UserError: one can't be written.
    """
    _, table, plot = _files(path)
    write_text(path, json.dumps(to_json(machine, measurements), indent=1) + "\n")
    write_text(table, to_markdown(machine, measurements))
    write_whole(plot, lambda temporary: _draw(measurements, temporary))
    return _files(path)


def _files(path: Path) -> list[Path]:
    return [path, path.with_suffix(".md"), path.with_suffix(".png")]


def _line(one: Measurement) -> str:
    def cell(value: float | None, form: str) -> str:
        return "-" if value is None else form.format(value)

    def megabytes(value: int | None) -> str:
        return "-" if value is None else f"{value / 1e6:,.0f} MB"

    cells = [
        one.what,
        one.size,
        one.batch,
        one.dtype,
        f"{one.seconds:.4g}",
        cell(one.reference_seconds, "{:.4g}"),
        cell(one.ratio, "**{:.2f}**"),
        cell(one.gflops, "{:.0f}"),
        cell(one.share_of_peak, "{:.0%}"),
        megabytes(one.temp_bytes),
        cell(one.compile_seconds, "{:.1f} s"),
        megabytes(one.peak_bytes),
        megabytes(one.reference_peak_bytes),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def _draw(measurements: Sequence[Measurement], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    times, ratios = figure.subplots(1, 2, width_ratios=(3, 2))
    for what in dict.fromkeys(one.what for one in measurements if one.dtype != "uint8"):
        points = sorted((one.size, one.seconds) for one in measurements if one.what == what)
        times.loglog(*zip(*points, strict=True), "o-", label=what)
        compared = [(one.size, one.reference_seconds) for one in measurements if one.what == what]
        compared = sorted((size, seconds) for size, seconds in compared if seconds is not None)
        if compared:
            times.loglog(*zip(*compared, strict=True), "s--", label=f"{what}, PyTorch reference")
    sizes = sorted({one.size for one in measurements})
    times.set_xticks(sizes, [str(size) for size in sizes])
    times.minorticks_off()
    times.set(xlabel="side of the image, pixels", ylabel="seconds", title="median of a run")
    times.grid(alpha=0.3)
    if times.lines:
        times.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    with_ratio = [one for one in measurements if one.ratio is not None]
    labels = [f"{one.what} {one.size}" for one in with_ratio]
    bars = ratios.barh(labels, [one.ratio or 0.0 for one in with_ratio])
    ratios.bar_label(bars, fmt="%.2f", padding=3)
    ratios.invert_yaxis()
    ratios.margins(x=0.2)
    ratios.set(title="times as fast", xlabel="reference's time over ours")
    figure.savefig(path, dpi=110)
