"""The evaluation of a network: its weights, the held-out images, a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from PIL import Image

from madf_jax.config.sections import Setup
from madf_jax.evaluation.config import require_run
from madf_jax.evaluation.evaluator import NETWORK, Evaluator, make_evaluator
from madf_jax.evaluation.feature_store import write_features
from madf_jax.evaluation.grids import draw_example
from madf_jax.evaluation.manifest import Manifest
from madf_jax.evaluation.manifest_examples import manifest_dataset, verify_files
from madf_jax.evaluation.networks import NO_NETWORK, EvaluatedNetwork, Step, open_network
from madf_jax.evaluation.output import ReportDirectory
from madf_jax.evaluation.page.document import make_page
from madf_jax.evaluation.paper import to_latex, to_markdown
from madf_jax.evaluation.protocols import load_metrics, set_metrics
from madf_jax.evaluation.provenance import describe_program
from madf_jax.evaluation.ranking import show_examples
from madf_jax.evaluation.report import CSV, LATEX, MARKDOWN, PAGE, TEXT, Row, rows_of, to_csv
from madf_jax.evaluation.results import CheckedResults, open_results
from madf_jax.evaluation.set_scores import SetScores, open_set_scores
from madf_jax.evaluation.statistics import (
    OVERALL,
    Scored,
    group_by_share,
    hole_share,
    summarize_group,
)
from madf_jax.evaluation.summary import Summary
from madf_jax.evaluation.tables import format_statistics
from madf_jax.inference.classical import CLASSICAL
from madf_jax.inference.inpaint import Method, any_image
from madf_jax.inference.painter import Painter
from madf_jax.metrics.distributions import SetMetric
from madf_jax.metrics.metric import Metric


def evaluate(
    setup: Setup,
    workdir: Path | None,
    output: Path,
    step: Step = "newest",
    features: Path | None = None,
    *,
    weights: Path | None = None,
    manifest: Manifest | None = None,
    results: Mapping[str, Path] | None = None,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Evaluates a network beside other methods and writes the report.

    Args:
        setup: of the config to evaluate with; with a manifest, as `score_manifest` changes it.
        workdir: of the run; None for weights from a file, or for no network at all.
        output: directory for the files of the report; made if need be.
        step: of the checkpoint.
        features: file of Inception features, read if it is there, written with those of this
            evaluation, too.
        weights: file of weights, in place of a run.
        manifest: the examples, in place of the held-out images of the config.
        results: by method, folders of what other programs made of the manifest's examples.
        command: words of the command line, for the report.

    Returns:
        What `evaluation.json` holds.

    Raises:
        UserError: there is no such checkpoint, or it is of another network; the held-out images
            or results can't be used; or the report can't be written. Until all scores are there,
            an earlier report stands as it was.
    """
    options = setup.evaluation
    if workdir is not None:
        require_run(workdir)
    results = results or {}
    inputs = {**_input_folders(setup), **{f"--results={name}": results[name] for name in results}}
    directory = ReportDirectory(output, options.grids, inputs)
    metrics = load_metrics(options, setup.data.size)
    sets = open_set_scores(options, features)
    network = open_network(setup, workdir, step, weights)
    stored = open_results(results, manifest)
    evaluator = _open_evaluator(setup, manifest)
    directory.make()
    classical = {name: any_image(inpaint) for name, inpaint in CLASSICAL.items()}
    methods: dict[str, Method] = {**_paint_with(network, options.batch_size), **stored, **classical}
    shown = next(iter(methods))
    summary = Summary()
    rows: list[Row] = []
    scored: list[Scored] = []
    grids: list[Image.Image] = []
    for example in evaluator.run(methods, metrics, progress=True):
        summary = summary.update(example.scores)
        rows += rows_of(example)
        scored.append(Scored(hole_share(example.mask), example.scores))
        if sets is not None:
            sets.add(example)
        if len(grids) < options.grids:
            grids.append(draw_example(example, shown))
    for method, checked in stored.items():
        checked.warn(method)
    report = {
        **summary.compute(),
        **(network.facts if network else NO_NETWORK),
        "size": setup.data.size,
        "seed": options.seed,
        **_describe_protocol(setup, metrics, sets),
        "statistics": _statistics(scored, metrics, sets),
        **_describe_manifest(manifest),
        **_describe_results(stored),
        **describe_program(command),
    }
    if sets is not None:
        for method, values in report["statistics"][OVERALL]["sets"].items():
            report["methods"][method] |= values
        if features is not None:
            write_features(features, sets.store.kept())
    first = next(iter(metrics.items()))
    examples = show_examples(evaluator, (shown, methods[shown]), scored, first)
    texts = {
        CSV: to_csv(rows, metrics),
        TEXT: format_statistics(report),
        PAGE: make_page(report, examples, first[0]),
        MARKDOWN: to_markdown(report),
        LATEX: to_latex(report),
    }
    return {**report, "files": directory.write(report, texts, grids)}


def _describe_protocol(
    setup: Setup, metrics: Mapping[str, Metric], sets: SetScores | None
) -> dict[str, Any]:
    wanted = set_metrics(setup.evaluation)
    computed: dict[str, Metric | SetMetric] = {**metrics, **(wanted if sets else {})}
    return {
        "protocol": setup.evaluation.protocol,
        "metrics": {name: metric.heading for name, metric in computed.items()},
        "higher_is_better": {name: metric.higher_is_better for name, metric in computed.items()},
        "left_out": [] if sets else [metric.heading for metric in wanted.values()],
        "inception": sets.store.weights if sets else None,
    }


def _statistics(
    scored: Sequence[Scored], metrics: Mapping[str, Metric], sets: SetScores | None
) -> dict[str, Any]:
    """By group of examples: overall, and by share of the hole."""
    better = {name: metric.higher_is_better for name, metric in metrics.items()}
    groups = group_by_share([example.share for example in scored])
    return {
        name: {
            **summarize_group([scored[place] for place in places], better),
            "sets": sets.score(places) if sets else {},
        }
        for name, places in groups.items()
    }


def _input_folders(setup: Setup) -> dict[str, Path]:
    paths = {
        f"--config.{section}.{key}": getattr(options, key)
        for section, options in (("data", setup.data), ("masks", setup.masks))
        for key in ("train_path", "evaluation_path")
    }
    return {flag: Path(path) for flag, path in paths.items() if path}


def _open_evaluator(setup: Setup, manifest: Manifest | None) -> Evaluator:
    if manifest is None:
        return make_evaluator(setup, setup.evaluation.count)
    verify_files(manifest)
    return Evaluator(manifest_dataset(manifest, setup.evaluation.batch_size), setup.loader)


def _describe_manifest(manifest: Manifest | None) -> dict[str, Any]:
    if manifest is None:
        return {}
    facts = {key: getattr(manifest, key) for key in ("hole", "crop", "generator", "sha256")}
    return {"manifest": facts}


def _paint_with(network: EvaluatedNetwork | None, batch_size: int) -> dict[str, Method]:
    if network is None:
        return {}
    # Placed once: from the host, the variables would travel with every batch.
    variables = jax.device_put(network.variables, jax.local_devices()[0])
    painter = Painter(network.network, batch_size)
    return {NETWORK: any_image(painter.with_variables(variables))}


def _describe_results(stored: Mapping[str, CheckedResults]) -> dict[str, Any]:
    return {"far_results": {name: found.far for name, found in stored.items()}} if stored else {}
