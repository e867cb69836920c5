"""The text of a report: a table, `evaluation.json` and `evaluation.csv`."""

import csv
import io
import json
import math
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from madf_jax.errors import escape
from madf_jax.evaluation.scored import Scored
from madf_jax.files import AnyPath

JSON, CSV, TEXT, GRIDS = "evaluation.json", "evaluation.csv", "evaluation.txt", "grids"
PAGE, MARKDOWN, LATEX = "evaluation.html", "evaluation.md", "evaluation.tex"
FILES = (JSON, CSV, TEXT, PAGE, MARKDOWN, LATEX)
"""Every report has these, the first of which lists what there is beside them."""


def format_table(methods: Mapping[str, Mapping[str, float]], headings: Mapping[str, str]) -> str:
    """Means by method and metric as lines of text, one row per method.

    Args:
        methods: values by method and metric.
        headings: by metric, in the order of the columns.
    """
    widths = {metric: max(11, len(heading) + 2) for metric, heading in headings.items()}
    header = f"{'method':<14}" + "".join(f"{headings[m]:>{width}}" for m, width in widths.items())
    rows = [
        f"{method:<14}" + "".join(f"{values[m]:>{width}.3f}" for m, width in widths.items())
        for method, values in methods.items()
    ]
    return "\n".join([header, *rows])


def format_report(report: Mapping[str, Any], output: AnyPath) -> str:
    """What `eval.py` prints: the table, and where the files of the report are.

    Args:
        report: what `evaluation.json` holds.
        output: directory of the report.
    """
    place = escape(str(output))
    lines = [
        f"{report['count']} held-out images{of_network(report)}, protocol {report['protocol']}:\n",
        format_table(report["methods"], report["metrics"]),
        *(
            f"\n{method}: {count} of {report['count']} composites equal the original; their PSNR "
            "is infinite and left out of the mean"
            for method, count in report["identical"].items()
            if count
        ),
        *(f"\n{heading} left out: no Inception weights" for heading in report["left_out"]),
        f"\nReport: {place}/{PAGE}",
        f"Numbers: {place}/{JSON}, {place}/{CSV}, {place}/{TEXT}, {place}/{MARKDOWN}, "
        f"{place}/{LATEX}",
    ]
    grids = [name for name in report["files"] if name.startswith(GRIDS)]
    if grids:
        lines.append(f"{len(grids)} image grids: {place}/{grids[0]} to {Path(grids[-1]).name}")
    return "\n" + "\n".join(lines)


def of_network(report: Mapping[str, Any]) -> str:
    """Which step and weights a report is of, to follow other words; '' without a network."""
    if report["weights"] is None:
        return ""
    step = "" if report["step"] is None else f" at step {report['step']}"
    return f"{step} ({report['weights']} weights)"


def to_json(report: Mapping[str, Any]) -> str:
    """The text of `evaluation.json`; numbers that are not finite become null."""
    return json.dumps(_finite(report), indent=2, allow_nan=False) + "\n"


def _finite(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def to_csv(examples: Iterable[Scored], metrics: Iterable[str]) -> str:
    """The text of `evaluation.csv`: a row for each example and method.

    Args:
        examples: scored.
        metrics: names, in the order that scores have them in.
    """
    text = io.StringIO(newline="")
    writer = csv.writer(text)
    writer.writerow(["example", "image", "mask", "method", *metrics])
    for scored in examples:
        identity = [_encodable(n) for n in (scored.id, scored.image_name, scored.mask_name)]
        for method, values in scored.scores.items():
            writer.writerow([*identity, method, *values.values()])
    return text.getvalue()


def _encodable(name: str) -> str:
    """A name with bytes that are no UTF-8 as escapes: names of files may hold any."""
    return name.encode("utf-8", "backslashreplace").decode()
