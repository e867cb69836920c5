"""Tables for a paper or a thread: `evaluation.md` (Markdown) and `evaluation.tex` (booktabs)."""

import re
from collections.abc import Callable, Mapping
from typing import Any

from madf_jax.errors import escape
from madf_jax.evaluation.cells import (
    best_of,
    block_title,
    count_title,
    decimals_of,
    format_number,
    heading_of,
    values_of,
)
from madf_jax.evaluation.report import of_network

_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>()#+!|~&$])")
_LATEX = {
    **{char: f"\\{char}" for char in "{}$&#_%"},
    **{"\\": r"\textbackslash{}", "^": r"\textasciicircum{}", "~": r"\textasciitilde{}"},
    **{"<": r"\textless{}", ">": r"\textgreater{}", "|": r"\textbar{}", "–": "--"},
    **{"↑": r"$\uparrow$", "↓": r"$\downarrow$", "±": r"$\pm$"},
}

Quote = Callable[[str], str]


def to_markdown(report: Mapping[str, Any]) -> str:
    """A table for each group: a row for each method, means with their standard errors."""
    lines = [_markdown(_title(report)), ""]
    for name, group in report["statistics"].items():
        lines += [f"**{_markdown(block_title(name, group['count']))}**", ""]
        heads = [_markdown(heading_of(report, metric)) for metric in report["metrics"]]
        lines += [_markdown_row(["method", *heads]), _markdown_row(["---", *["--:"] * len(heads)])]
        for method in report["methods"]:
            cells = _cells(report, group, method, "**{}**".format)
            lines.append(_markdown_row([_markdown(method), *cells]))
        lines.append("")
    lines.append("Mean ± standard error over images; metrics of a set have none.")
    return "\n".join(lines) + "\n"


def to_latex(report: Mapping[str, Any]) -> str:
    r"""A `table` for the package booktabs, one block of rows for each group.

    Every line that begins with `%` says what the numbers are.
    """
    metrics = report["metrics"]
    heads = ["Method", *(_latex(heading_of(report, metric)) for metric in metrics)]
    lines = [
        f"% {escape(_title(report))}",
        r"% \usepackage{booktabs}",
        r"\begin{table}",
        r"  \centering",
        f"  \\caption{{{_latex(_title(report))}. Mean {_LATEX['±']} standard error.}}",
        f"  \\begin{{tabular}}{{l{'r' * len(metrics)}}}",
        r"    \toprule",
        f"    {' & '.join(heads)} \\\\",
    ]
    for name, group in report["statistics"].items():
        title = _latex(block_title(name, group["count"]))
        lines += [r"    \midrule", f"    \\multicolumn{{{len(heads)}}}{{l}}{{{title}}} \\\\"]
        for method in report["methods"]:
            cells = _cells(report, group, method, r"\textbf{{{}}}".format)
            cells = [cell.replace("±", _LATEX["±"]).replace("–", "--") for cell in cells]
            lines.append(f"    {' & '.join([_latex(method), *cells])} \\\\")
    lines += [r"    \bottomrule", r"  \end{tabular}", r"\end{table}"]
    return "\n".join(lines) + "\n"


def _title(report: Mapping[str, Any]) -> str:
    return (
        f"Protocol {report['protocol']}, {count_title(report['count'])} of {report['size']}x"
        f"{report['size']} pixels{of_network(report)}"
    )


def _cells(
    report: Mapping[str, Any], group: Mapping[str, Any], method: str, bold: Quote
) -> list[str]:
    """The mean of each metric, bold if it is the best, with its standard error."""
    cells = []
    for metric in report["metrics"]:
        decimals = decimals_of(report, metric)
        value = format_number(values_of(group, metric)[method], decimals)
        found = group["methods"][method].get(metric)
        error = (
            f" ± {format_number(found['standard_error'], decimals)}"
            if found and found["images"] > 1
            else ""
        )
        best = method in best_of(report, group, metric)
        cells.append((bold(value) if best else value) + error)
    return cells


def _markdown_row(cells: list[str]) -> str:
    return f"| {' | '.join(cells)} |"


def _markdown(text: str) -> str:
    return _MARKDOWN.sub(r"\\\1", escape(text))


def _latex(text: str) -> str:
    return "".join(_LATEX.get(char, char) for char in escape(text))
