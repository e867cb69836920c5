"""A benchmark as JSON, as a Markdown table and as a plot."""

import dataclasses
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from madf_jax.benchmark.measure import Measurement, slope
from madf_jax.errors import UserError
from madf_jax.files import make_directory, write_text, write_whole

_HEADER = (
    "| what | size | batch | dtype | seconds | reference | ratio | GFLOP/s | of peak | temporaries "
    "| compiling | process | reference's |"
)


def to_json(machine: Mapping[str, Any], rows: Sequence[Measurement]) -> dict[str, Any]:
    """`machine`, `rows`, and `slopes` of what was measured at three sizes or more."""
    return {
        "machine": dict(machine),
        "rows": [dataclasses.asdict(row) for row in rows],
        "slopes": slopes(rows),
    }


def slopes(rows: Sequence[Measurement]) -> dict[str, float]:
    """By which power of the number of pixels the time of each thing grows."""
    found = {row.what: slope([r for r in rows if r.what == row.what]) for row in rows}
    return {what: value for what, value in found.items() if value is not None}


def to_markdown(machine: Mapping[str, Any], rows: Sequence[Measurement]) -> str:
    """The machine in a line, the table, and a line for each slope."""
    lines = [
        f"{machine['processor']}, {machine['cores']} cores, {machine['device']}; "
        f"a product of matrices runs at {machine['matrix_product_gflops']:.0f} GFLOP/s.",
        "",
        _HEADER,
        "| --- " * (_HEADER.count("|") - 1) + "|",
        *map(_line, rows),
    ]
    for what, value in slopes(rows).items():
        lines += ["", f"Time of {what} grows with the number of pixels to the power {value:.2f}."]
    return "\n".join(lines) + "\n"


def check_place(path: Path) -> None:
    """Finds out before minutes are spent whether `write_report` could write there.

    Raises:
        UserError: `path` does not end in .json, or one of the three files can't be written.
    """
    if path.suffix != ".json":
        raise UserError(f"--json {path}: give a name that ends in .json")
    make_directory(path.parent, "the directory of --json")
    for file in _files(path):
        if file.is_dir():
            raise UserError(f"--json {path}: {file} is a directory; give another name")


def write_report(path: Path, machine: Mapping[str, Any], rows: Sequence[Measurement]) -> list[Path]:
    """Writes `path`, and beside it the table (.md) and the plot (.png).

    Returns:
        The three paths.

    Raises:
        UserError: one can't be written.
    """
    _, table, plot = _files(path)
    write_text(path, json.dumps(to_json(machine, rows), indent=1) + "\n")
    write_text(table, to_markdown(machine, rows))
    write_whole(plot, lambda temporary: _draw(rows, temporary))
    return _files(path)


def _files(path: Path) -> list[Path]:
    return [path, path.with_suffix(".md"), path.with_suffix(".png")]


def require_plotting() -> None:
    """Raises UserError that names the extra if there is no matplotlib."""
    try:
        import matplotlib  # noqa: F401
    except ImportError:
        raise UserError(
            "--json also draws a plot, which needs matplotlib: pip install '.[benchmark]'"
        ) from None


def _line(row: Measurement) -> str:
    def cell(value: float | None, form: str) -> str:
        return "-" if value is None else form.format(value)

    def megabytes(value: int | None) -> str:
        return "-" if value is None else f"{value / 1e6:,.0f} MB"

    cells = [
        row.what,
        row.size,
        row.batch,
        row.dtype,
        f"{row.seconds:.4g}",
        cell(row.reference_seconds, "{:.4g}"),
        cell(row.ratio, "**{:.2f}**"),
        cell(row.gflops, "{:.0f}"),
        cell(row.share_of_peak, "{:.0%}"),
        megabytes(row.temp_bytes),
        cell(row.compile_seconds, "{:.1f} s"),
        megabytes(row.peak_bytes),
        megabytes(row.reference_peak_bytes),
    ]
    return f"| {' | '.join(map(str, cells))} |"


def _draw(rows: Sequence[Measurement], path: Path) -> None:
    from matplotlib.figure import Figure

    figure = Figure(figsize=(9, 4), layout="constrained")
    times, ratios = figure.subplots(1, 2, width_ratios=(3, 2))
    for what in dict.fromkeys(row.what for row in rows if row.dtype != "uint8"):
        points = sorted((row.size, row.seconds) for row in rows if row.what == what)
        times.loglog(*zip(*points, strict=True), "o-", label=what)
        compared = [(r.size, r.reference_seconds) for r in rows if r.what == what]
        compared = sorted((size, seconds) for size, seconds in compared if seconds is not None)
        if compared:
            times.loglog(*zip(*compared, strict=True), "s--", label=f"{what}, PyTorch reference")
    sizes = sorted({row.size for row in rows})
    times.set_xticks(sizes, [str(size) for size in sizes])
    times.minorticks_off()
    times.set(xlabel="side of the image, pixels", ylabel="seconds", title="median of a run")
    times.grid(alpha=0.3)
    if times.lines:
        times.legend(fontsize="small", loc="upper center", bbox_to_anchor=(0.5, -0.15), ncols=2)
    compared_rows = [row for row in rows if row.ratio is not None]
    labels = [f"{row.what} {row.size}" for row in compared_rows]
    bars = ratios.barh(labels, [row.ratio or 0.0 for row in compared_rows])
    ratios.bar_label(bars, fmt="%.2f", padding=3)
    ratios.invert_yaxis()
    ratios.margins(x=0.2)
    ratios.set(title="times as fast", xlabel="reference's time over ours")
    figure.savefig(path, dpi=110)
