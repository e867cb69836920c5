"""The text of a report: a table, `evaluation.json` and `evaluation.csv`."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from madf_jax.errors import escape
from madf_jax.evaluation.evaluator import Example
from madf_jax.metrics.image_quality import METRICS

Row = list[Any]
JSON, CSV, GRIDS = "evaluation.json", "evaluation.csv", "grids"


def format_table(methods: Mapping[str, Mapping[str, float]]) -> str:
    """Means by method and metric as lines of text, one row per method."""
    header = f"{'method':<14}" + "".join(f"{m.heading:>11}" for m in METRICS.values())
    rows = [
        f"{method:<14}" + "".join(f"{values[metric]:>11.3f}" for metric in METRICS)
        for method, values in methods.items()
    ]
    return "\n".join([header, *rows])


def format_report(report: Mapping[str, Any], output: Path) -> str:
    """What `eval.py` prints: the table, and where the files of the report are.

    Args:
        report: what `evaluation.json` holds.
        output: directory of the report.
    """
    place = escape(str(output))
    lines = [
        f"{report['count']} held-out images{_of_network(report)}:\n",
        format_table(report["methods"]),
        *(
            f"\n{method}: {count} of {report['count']} composites equal the original; their PSNR "
            "is infinite and left out of the mean"
            for method, count in report["identical"].items()
            if count
        ),
        f"\nReport: {place}/{JSON}, {place}/{CSV}",
    ]
    grids = [name for name in report["files"] if name.startswith(GRIDS)]
    if grids:
        lines.append(f"{len(grids)} image grids: {place}/{grids[0]} to {Path(grids[-1]).name}")
    return "\n" + "\n".join(lines)


def _of_network(report: Mapping[str, Any]) -> str:
    if report["weights"] is None:
        return ""
    step = "" if report["step"] is None else f" at step {report['step']}"
    return f"{step} ({report['weights']} weights)"


def to_json(report: Mapping[str, Any]) -> str:
    """The text of `evaluation.json`; means that are not a number become null."""
    methods = {
        method: {metric: v if math.isfinite(v) else None for metric, v in values.items()}
        for method, values in report["methods"].items()
    }
    return json.dumps({**report, "methods": methods}, indent=2, allow_nan=False) + "\n"


def rows_of(example: Example) -> list[Row]:
    """The rows of `evaluation.csv` for one example, one per method."""
    names = [_encodable(name) for name in (example.image_name, example.mask_name)]
    return [
        [_encodable(example.id), *names, method, *(values[metric] for metric in METRICS)]
        for method, values in example.scores.items()
    ]


def to_csv(rows: Iterable[Row]) -> str:
    """The text of `evaluation.csv`."""
    text = io.StringIO(newline="")
    csv.writer(text).writerows([["example", "image", "mask", "method", *METRICS], *rows])
    return text.getvalue()


def _encodable(name: str) -> str:
    """A name with bytes that are no UTF-8 as escapes: names of files may hold any."""
    return name.encode("utf-8", "backslashreplace").decode()
