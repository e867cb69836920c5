"""The tables of the page."""

from collections.abc import Mapping
from typing import Any

from madf_jax.evaluation.cells import (
    best_of,
    count_title,
    decimals_of,
    format_number,
    heading_of,
    title_of,
    values_of,
)
from madf_jax.evaluation.page.elements import Child, Element, element, table
from madf_jax.evaluation.statistics import OVERALL


def summary_table(report: Mapping[str, Any]) -> Element:
    """All metrics of all methods over all images."""
    group, metrics = report["statistics"][OVERALL], report["metrics"]
    cells = {metric: _values(report, group, metric) for metric in metrics}
    rows = [
        [method, *(cells[metric][method] for metric in metrics)] for method in report["methods"]
    ]
    head = ["method", *(heading_of(report, metric) for metric in metrics)]
    return table(head, rows, f"All {count_title(group['count'])}; the best of each column is bold")


def metric_table(report: Mapping[str, Any], metric: str) -> Element:
    """One metric by bucket: count, mean, standard error and interval of each method."""
    rows: list[list[Child]] = []
    for name, group in report["statistics"].items():
        values = _values(report, group, metric)
        cells = [
            element("span", values[method], *_uncertainty(report, group, method, metric))
            for method in report["methods"]
        ]
        rows.append([title_of(name), str(group["count"]), *cells])
    caption = f"{heading_of(report, metric)} by share of the hole"
    return table(["hole", "images", *report["methods"]], rows, caption)


def comparison_tables(report: Mapping[str, Any]) -> list[Element]:
    """The first method against each other one over all images."""
    comparisons = report["statistics"][OVERALL]["comparisons"]
    first = next(iter(report["methods"]))
    head = ["metric", "difference", "95 % interval", "better on", "worse on"]
    made = []
    for other, metrics in comparisons.items():
        rows = [_compared(report, metric, found) for metric, found in metrics.items()]
        made.append(table(head, rows, f"{first} minus {other}"))
    return made


def _values(report: Mapping[str, Any], group: Mapping[str, Any], metric: str) -> dict[str, Child]:
    best, decimals = best_of(report, group, metric), decimals_of(report, metric)
    texts = {m: format_number(v, decimals) for m, v in values_of(group, metric).items()}
    return {m: element("strong", text) if m in best else text for m, text in texts.items()}


def _uncertainty(
    report: Mapping[str, Any], group: Mapping[str, Any], method: str, metric: str
) -> list[Child]:
    found = group["methods"][method].get(metric)
    if found is None or found["images"] < 2:
        return []
    decimals = decimals_of(report, metric)
    error, low, high = (
        format_number(found[key], decimals) for key in ("standard_error", "low", "high")
    )
    shown: list[Child] = [f" ± {error}", element("br"), element("small", f"[{low}, {high}]")]
    if found["images"] < group["count"]:
        shown += [element("br"), element("small", f"of {count_title(found['images'])}")]
    return shown


def _compared(report: Mapping[str, Any], metric: str, found: Mapping[str, float]) -> list[Child]:
    decimals = decimals_of(report, metric)
    low, high = (format_number(found[key], decimals) for key in ("low", "high"))
    difference = format_number(found["difference"], decimals)
    certain = found["low"] > 0 or found["high"] < 0
    shown: Child = element("strong", difference) if certain else difference
    return [
        heading_of(report, metric),
        shown,
        f"[{low}, {high}]",
        f"{100 * found['won']:.1f} %",
        f"{100 * found['lost']:.1f} %",
    ]
