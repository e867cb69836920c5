"""The evaluation of a network: its weights, the held-out images, a report."""

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax

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
from madf_jax.evaluation.report import CSV, LATEX, MARKDOWN, PAGE, TEXT, to_csv
from madf_jax.evaluation.results import CheckedResults, open_results
from madf_jax.evaluation.scored import Scored, gather_scored
from madf_jax.evaluation.set_scores import SetScores, open_set_scores
from madf_jax.evaluation.statistics import OVERALL, group_by_share, summarize_group
from madf_jax.evaluation.summary import summarize
from madf_jax.evaluation.tables import format_statistics
from madf_jax.files import AnyPath
from madf_jax.inference.classical import CLASSICAL
from madf_jax.inference.inpaint import Method, any_image
from madf_jax.inference.painter import Painter
from madf_jax.metrics.distributions import SetMetric
from madf_jax.metrics.metric import Metric
from madf_jax.processes import together


def evaluate(
    setup: Setup,
    workdir: AnyPath | None,
    output: AnyPath,
    step: Step = "newest",
    features: Path | None = None,
    *,
    weights: AnyPath | None = None,
    manifest: Manifest | None = None,
    results: Mapping[str, Path] | None = None,
    command: Sequence[str] = (),
) -> dict[str, Any]:
    """Evaluates a network beside other methods and writes the report.

    Of a job of several processes, which must all call it, each scores its share of the examples on
    its devices, and process 0 writes the report.

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
        What `evaluation.json` holds; `files` only in process 0.

    Raises:
        UserError: there is no such checkpoint, or it is of another network; the held-out images
            or results can't be used; or the report can't be written. Until all scores are there,
            an earlier report stands as it was.
    """
    inputs = {**_input_folders(setup), **{f"--results={n}": d for n, d in (results or {}).items()}}
    first = jax.process_index() == 0
    with together():
        if workdir is not None:
            require_run(workdir)
        directory = ReportDirectory(output, setup.evaluation.grids, inputs) if first else None
        metrics = load_metrics(setup.evaluation, setup.data.size)
        sets = open_set_scores(setup.evaluation, features)
        network = open_network(setup, workdir, step, weights)
        stored = open_results(results or {}, manifest)
        evaluator = _open_evaluator(setup, manifest)
        if directory is not None:
            directory.make()
    methods = _methods(network, stored, setup.evaluation.batch_size)
    with together():
        own = []
        for example in evaluator.run(methods, metrics, progress=first):
            own.append(Scored.of(example))
            if sets is not None:
                sets.add(example)
    scored = gather_scored(own)
    for checked in stored.values():
        checked.exchange()
    if sets is not None:
        sets.exchange()
    report = {
        **summarize(scored).compute(),
        **(network.facts if network else NO_NETWORK),
        "size": setup.data.size,
        "seed": setup.evaluation.seed,
        **_describe_protocol(setup, metrics, sets),
        "statistics": _statistics(scored, metrics, sets),
        **_describe_manifest(manifest),
        **_describe_results(stored),
        **describe_program(command),
    }
    if sets is not None:
        for method, values in report["statistics"][OVERALL]["sets"].items():
            report["methods"][method] |= values
    with together():
        if directory is None:
            return report
        for name, checked in stored.items():
            checked.warn(name)
        if sets is not None and features is not None:
            write_features(features, sets.store.kept())
        return _write(directory, report, evaluator, methods, metrics, scored)


def _write(
    directory: ReportDirectory,
    report: dict[str, Any],
    evaluator: Evaluator,
    methods: Mapping[str, Method],
    metrics: Mapping[str, Metric],
    scored: Sequence[Scored],
) -> dict[str, Any]:
    """Writes all files of a report; returns it with their names."""
    shown, ranked_by = next(iter(methods.items())), next(iter(metrics.items()))
    examples = show_examples(evaluator, shown, scored, ranked_by)
    texts = {
        CSV: to_csv(scored, metrics),
        TEXT: format_statistics(report),
        PAGE: make_page(report, examples, ranked_by[0]),
        MARKDOWN: to_markdown(report),
        LATEX: to_latex(report),
    }
    places = range(min(directory.grids, len(evaluator)))
    grids = [draw_example(example, shown[0]) for example in evaluator.pick(places, methods)]
    return {**report, "files": directory.write(report, texts, grids)}


def _methods(
    network: EvaluatedNetwork | None, stored: Mapping[str, CheckedResults], batch_size: int
) -> dict[str, Method]:
    """The network, if there is one, then results of other programs and classical methods."""
    methods: dict[str, Method] = {**stored}
    methods |= {name: any_image(inpaint) for name, inpaint in CLASSICAL.items()}
    if network is None:
        return methods
    painter = Painter(network.network, batch_size)
    return {NETWORK: any_image(painter.with_variables(network.variables)), **methods}


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
    return Evaluator(manifest_dataset(manifest), setup.evaluation.batch_size, setup.loader)


def _describe_manifest(manifest: Manifest | None) -> dict[str, Any]:
    if manifest is None:
        return {}
    facts = {key: getattr(manifest, key) for key in ("hole", "crop", "generator", "sha256")}
    return {"manifest": facts}


def _describe_results(stored: Mapping[str, CheckedResults]) -> dict[str, Any]:
    return {"far_results": {name: found.far for name, found in stored.items()}} if stored else {}
