"""The page of a report: what was compared, tables, curves, images, and how to repeat it."""

from collections.abc import Mapping, Sequence
from typing import Any

from madf_jax.evaluation.cells import count_title
from madf_jax.evaluation.evaluator import NETWORK
from madf_jax.evaluation.page.curves import draw_curve, legend
from madf_jax.evaluation.page.elements import Child, Element, element, to_html
from madf_jax.evaluation.page.images import GAIN, LONGEST, example_figure
from madf_jax.evaluation.page.style import STYLE
from madf_jax.evaluation.page.tables import comparison_tables, metric_table, summary_table
from madf_jax.evaluation.ranking import Shown
from madf_jax.evaluation.report import of_network
from madf_jax.metrics.uncertainty import RESAMPLES

# A second wall behind the escaping: nothing is loaded, nothing runs.
_POLICY = "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


def make_page(
    report: Mapping[str, Any], shown: Mapping[str, Sequence[Shown]], chosen_by: str
) -> str:
    """The text of `evaluation.html`.

    Args:
        report: what `evaluation.json` holds.
        shown: examples by kind: `best`, `median`, `worst`.
        chosen_by: name of the metric that chose them.
    """
    title = f"Inpainting of {count_title(report['count'])}"
    main = element(
        "main",
        *_head(report, title),
        *_curves(report),
        *_tables(report),
        *_comparison(report),
        *_images(report, shown, chosen_by),
        *_repeat(report),
    )
    return to_html(element("html", _html_head(title), element("body", main), lang="en"))


def _html_head(title: str) -> Element:
    style = element("style")
    style.text = STYLE
    return element(
        "head",
        element("meta", charset="utf-8"),
        element("meta", http_equiv="Content-Security-Policy", content=_POLICY),
        element("meta", name="viewport", content="width=device-width, initial-scale=1"),
        element("title", title),
        style,
    )


def _head(report: Mapping[str, Any], title: str) -> list[Element]:
    size, protocol = report["size"], report["protocol"]
    network = of_network(report)
    what = (
        f"{', '.join(report['methods'])} on the same images and masks of {size}x{size} pixels, "
        f"protocol {protocol}"
        + (f"; {NETWORK}{network}" if network else "")
        + ". What is scored is the composite: known pixels of the original, the hole of each "
        "method, rounded to 8 bits."
    )
    notes = [
        f"{method}: {count_title(count)} equal the original; their PSNR is infinite and left out "
        "of means."
        for method, count in report["identical"].items()
        if count
    ]
    notes += [
        f"{method}: {count_title(len(far))} differ from the original outside of the hole, too; "
        "they may be of other images or masks."
        for method, far in report.get("far_results", {}).items()
        if far
    ]
    if report["left_out"]:
        notes.append(f"Left out, for want of Inception weights: {', '.join(report['left_out'])}.")
    return [
        element("h1", title),
        element("p", what),
        *(element("p", note, class_="faint") for note in notes),
        summary_table(report),
    ]


def _curves(report: Mapping[str, Any]) -> list[Element]:
    curves = [draw_curve(report, metric) for metric in report["metrics"]]
    figures = [element("figure", curve) for curve in curves if curve is not None]
    if not figures:
        return []
    explained = "Vertical lines are 95 % intervals of means over images; n counts the images."
    return [
        element("h2", "Against the share of the hole"),
        element("p", explained),
        legend(report),
        element("div", *figures, class_="curves"),
    ]


def _tables(report: Mapping[str, Any]) -> list[Element]:
    explained = (
        "Mean ± standard error over images, below it the 95 % interval of the mean (percentile "
        f"bootstrap over images, {RESAMPLES} resamples). Metrics of a whole set, such as FID, have "
        "neither, and depend on the number of images. All images include those outside of the "
        "ranges."
    )
    tables = [metric_table(report, metric) for metric in report["metrics"]]
    return [element("h2", "By share of the hole"), element("p", explained), *tables]


def _comparison(report: Mapping[str, Any]) -> list[Element]:
    tables = comparison_tables(report)
    if not tables:
        return []
    explained = (
        "Mean differences over the same images, and the share of images on which the first method "
        "is better or worse. A difference whose interval does not contain 0 is bold: these images "
        "establish it."
    )
    pairs = element("div", *tables, class_="pairs")
    return [element("h2", "Image by image"), element("p", explained), pairs]


def _images(
    report: Mapping[str, Any], shown: Mapping[str, Sequence[Shown]], chosen_by: str
) -> list[Element]:
    if not shown:
        return []
    method = next(iter(report["methods"]))
    explained = (
        f"Of {method}, by {report['metrics'][chosen_by]}. The output has the known pixels of the "
        f"original; the difference of both is amplified {GAIN} times. Shown as JPEG, at most "
        f"{LONGEST} pixels a side; the scores are of the pixels themselves."
    )
    made = [element("h2", "Best, median and worst images"), element("p", explained)]
    for kind, examples in shown.items():
        made.append(element("h3", kind.capitalize()))
        made += [example_figure(one, method, report["metrics"]) for one in examples]
    return made


def _repeat(report: Mapping[str, Any]) -> list[Element]:
    manifest = report.get("manifest", {})
    facts: dict[str, Any] = {
        "command": report["command"],
        "protocol": report["protocol"],
        "seed": report["seed"],
        "network": of_network(report).strip(),
        "weights file": report.get("weights_file"),
        "SHA-256 of the weights file": report.get("weights_sha256"),
        "SHA-256 of the variables": report.get("variables_sha256"),
        "SHA-256 of the Inception weights": report["inception"],
        "SHA-256 of the manifest": manifest.get("sha256"),
        "crop of the manifest": manifest.get("crop"),
        "mask generator": manifest.get("generator"),
        "versions": ", ".join(f"{name} {found}" for name, found in report["versions"].items()),
        "devices": report["devices"],
    }
    rows: list[Child] = []
    for name, value in facts.items():
        if value is not None and value != "":
            rows += [element("dt", name), element("dd", element("code", str(value)))]
    return [element("h2", "To repeat it"), element("dl", *rows)]
