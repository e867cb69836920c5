"""Curves of a metric against the share of the hole, as drawings in the page."""

import io
import math
from collections.abc import Mapping
from typing import Any

from madf_jax.evaluation.cells import heading_of, title_of, values_of
from madf_jax.evaluation.page.elements import Element, element, parse_svg
from madf_jax.evaluation.statistics import OVERALL

# Marks and colors that stay apart in print and for color-blind readers (Okabe and Ito, 2008).
_MARKERS = {"o": "●", "s": "■", "^": "▲", "D": "◆", "v": "▼", "P": "✚", "X": "✖", "*": "★"}
_COLORS = ("#0072b2", "#d55e00", "#009e73", "#cc79a7", "#56b4e9", "#8f6b00", "#000000")
# Text stays text: it can be selected, and the page remains small. Fixed salt: the same page again.
_STYLE = {"svg.fonttype": "none", "svg.hashsalt": "madf", "font.size": 10}
_SPREAD = 0.06  # between methods at one share, of the distance between shares


def draw_curve(report: Mapping[str, Any], metric: str) -> Element | None:
    """A line for each method through the buckets, with the 95 % intervals of means.

    Args:
        report: what `evaluation.json` holds.
        metric: of an image or of the set.

    Returns:
        None where no example is in a bucket. No text of the drawing comes from outside.
    """
    groups = {name: group for name, group in report["statistics"].items() if name != OVERALL}
    if not groups:
        return None
    # Imported late: it takes a while, and only pages need it.
    import matplotlib
    from matplotlib.figure import Figure

    with matplotlib.rc_context(_STYLE):
        figure = Figure(figsize=(5.2, 3.2), layout="constrained")
        axes = figure.subplots()
        for index, method in enumerate(report["methods"]):
            color, marker = _look(index)
            shift = _SPREAD * (index - (len(report["methods"]) - 1) / 2)
            places = [place + shift for place in range(len(groups))]
            values = [values_of(group, metric)[method] for group in groups.values()]
            axes.plot(places, values, f"{marker}-", color=color, markersize=5, linewidth=1.3)
            ends = [_interval(group, method, metric) for group in groups.values()]
            axes.vlines(places, *zip(*ends, strict=True), color=color, alpha=0.6, linewidth=2)
        labels = [f"{title_of(name)}\nn = {group['count']}" for name, group in groups.items()]
        axes.set_xticks(range(len(groups)), labels)
        axes.set_xlim(-0.5, len(groups) - 0.5)
        axes.set(xlabel="hole, share of the image")
        axes.set_title(heading_of(report, metric), loc="left", weight="bold")
        axes.grid(alpha=0.3)
        axes.spines[["top", "right"]].set_visible(False)
        return _to_element(figure, f"{heading_of(report, metric)} against the share of the hole")


def legend(report: Mapping[str, Any]) -> Element:
    """Which mark is which method, for all curves of a page."""
    items = []
    for index, method in enumerate(report["methods"]):
        color, marker = _look(index)
        mark = element("span", _MARKERS[marker], style=f"color:{color}", aria_hidden="true")
        items.append(element("li", mark, f" {method}"))
    return element("ul", *items, class_="legend")


def _look(index: int) -> tuple[str, str]:
    markers = list(_MARKERS)
    return _COLORS[index % len(_COLORS)], markers[index % len(markers)]


def _interval(group: Mapping[str, Any], method: str, metric: str) -> tuple[float, float]:
    """Ends of the interval; NaN, which is not drawn, for a value of the set."""
    found = group["methods"][method].get(metric)
    return (found["low"], found["high"]) if found else (math.nan, math.nan)


def _to_element(figure: Any, label: str) -> Element:
    text = io.StringIO()
    figure.savefig(text, format="svg", metadata={"Date": None, "Creator": None})
    drawing = parse_svg(text.getvalue())
    for size in ("width", "height"):  # that of the column; the view box keeps the proportions
        del drawing.attrib[size]
    drawing.attrib |= {"role": "img", "aria-label": label}
    return drawing
