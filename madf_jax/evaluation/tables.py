"""The text of `evaluation.txt`: every table, overall and by share of the hole."""

from collections.abc import Mapping
from typing import Any

from madf_jax.evaluation.report import of_network
from madf_jax.evaluation.statistics import OVERALL
from madf_jax.metrics.uncertainty import RESAMPLES


def format_statistics(report: Mapping[str, Any]) -> str:
    """All tables of a report, as lines of text.

    Args:
        report: what `evaluation.json` holds.
    """
    lines = [
        f"Protocol {report['protocol']}, {report['count']} images{of_network(report)}",
        f"Intervals: 95 %, percentile bootstrap over images, {RESAMPLES} resamples",
    ]
    if report["left_out"]:
        lines.append(f"Left out, for want of Inception weights: {', '.join(report['left_out'])}")
    for name, group in report["statistics"].items():
        where = "all images" if name == OVERALL else f"hole share {name}"
        lines += ["", f"== {where}: {group['count']} images", ""]
        lines += _means(group, report["metrics"])
        lines += _comparisons(group, report["metrics"])
    return "\n".join(lines) + "\n"


def _means(group: Mapping[str, Any], headings: Mapping[str, str]) -> list[str]:
    numbers = f"{'mean':>10}{'std error':>11}{'interval':>22}{'images':>8}"
    lines = [f"{'method':<14}{'metric':<14}{numbers}"]
    for method, metrics in group["methods"].items():
        for metric, found in metrics.items():
            interval = f"{found['low']:.4f} {found['high']:.4f}"
            lines.append(
                f"{method:<14}{headings[metric]:<14}{found['mean']:>10.4f}"
                f"{found['standard_error']:>11.4f}{interval:>22}{found['images']:>8}"
            )
        for metric, value in group["sets"].get(method, {}).items():
            lines.append(
                f"{method:<14}{headings[metric]:<14}{value:>10.4f}{'':>33}{group['count']:>8}"
            )
    return lines


def _comparisons(group: Mapping[str, Any], headings: Mapping[str, str]) -> list[str]:
    if not group["comparisons"]:
        return []
    first = next(iter(group["methods"]))
    head = f"{first + ' against':<18}{'metric':<14}{'difference':>11}{'interval':>22}"
    lines = ["", f"{head}{'won %':>8}{'lost %':>8}"]
    for other, metrics in group["comparisons"].items():
        for metric, found in metrics.items():
            interval = f"{found['low']:.4f} {found['high']:.4f}"
            lines.append(
                f"{other:<18}{headings[metric]:<14}{found['difference']:>11.4f}{interval:>22}"
                f"{100 * found['won']:>8.1f}{100 * found['lost']:>8.1f}"
            )
    return lines
