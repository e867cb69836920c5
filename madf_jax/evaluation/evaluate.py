"""The evaluation of a run: one checkpoint, the held-out images, a report."""

import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import jax
from absl import logging
from PIL import Image

from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.checkpoints.variables import InferenceVariables, read_variables
from madf_jax.config.sections import Setup
from madf_jax.errors import UserError
from madf_jax.evaluation.config import require_run
from madf_jax.evaluation.evaluator import NETWORK, make_evaluator
from madf_jax.evaluation.feature_store import write_features
from madf_jax.evaluation.grids import draw_example
from madf_jax.evaluation.output import ReportDirectory
from madf_jax.evaluation.protocols import load_metrics, set_metrics
from madf_jax.evaluation.report import Row, rows_of, to_csv
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
from madf_jax.files import system_errors
from madf_jax.inference.classical import CLASSICAL
from madf_jax.inference.inpaint import any_image
from madf_jax.inference.painter import Painter
from madf_jax.metrics.metric import Metric
from madf_jax.state.train_state import init_variables

Step = int | str
"""The number of a step, 'newest', or 'best' for the one with the best validation."""


def evaluate(
    setup: Setup,
    workdir: Path,
    output: Path,
    step: Step = "newest",
    features: Path | None = None,
) -> dict[str, Any]:
    """Evaluates a checkpoint of a run beside the classical methods and writes the report.

    Args:
        setup: of the config to evaluate with.
        workdir: of the run.
        output: directory for `evaluation.json`, `evaluation.csv`, `evaluation.txt` and `grids/`;
            made if need be.
        step: of the checkpoint.
        features: file of Inception features, read if it is there, written with those of this
            evaluation, too.

    Returns:
        What `evaluation.json` holds.

    Raises:
        UserError: there is no such checkpoint, or it is of another network; the held-out images
            can't be read; or the report can't be written. Until all scores are there, an earlier
            report stands as it was.
    """
    options = setup.evaluation
    require_run(workdir)
    directory = ReportDirectory(output, options.grids, _input_folders(setup))
    metrics = load_metrics(options, setup.data.size)
    sets = open_set_scores(options, features)
    restored = _restore(setup, workdir, step)
    evaluator = make_evaluator(setup, options.count)
    directory.make()
    # Placed once: from the host, the variables would travel with every batch.
    variables = jax.device_put(restored.variables, jax.local_devices()[0])
    network = Painter(setup.network, options.batch_size).with_variables(variables)
    inpaints = {NETWORK: network, **CLASSICAL}
    methods = {name: any_image(inpaint) for name, inpaint in inpaints.items()}
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
            grids.append(draw_example(example, NETWORK))
    report = {
        **summary.compute(),
        "step": restored.step,
        "weights": "averaged" if restored.averaged else "trained",
        "size": setup.data.size,
        "seed": options.seed,
        **_describe_protocol(setup, metrics, sets),
        "statistics": _statistics(scored, metrics, sets),
    }
    if sets is not None:
        for method, values in report["statistics"][OVERALL]["sets"].items():
            report["methods"][method] |= values
        if features is not None:
            write_features(features, sets.store.kept())
    text = format_statistics(report)
    return {**report, "files": directory.write(report, to_csv(rows, metrics), text, grids)}


def parse_step(text: str) -> Step:
    """The value of the flag `--step`.

    Raises:
        UserError: it is no step.
    """
    if text in ("newest", "best"):
        return text
    if re.fullmatch("[0-9]{1,18}", text):
        return int(text)
    raise UserError(f"--step={text}: use the number of a step, 'newest' or 'best'")


def _describe_protocol(
    setup: Setup, metrics: Mapping[str, Metric], sets: SetScores | None
) -> dict[str, Any]:
    wanted = set_metrics(setup.evaluation)
    of_images = {name: metric.heading for name, metric in metrics.items()}
    of_sets = {name: metric.heading for name, metric in wanted.items()}
    return {
        "protocol": setup.evaluation.protocol,
        "metrics": of_images | of_sets if sets else of_images,
        "left_out": [] if sets else list(of_sets.values()),
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


def _restore(setup: Setup, workdir: Path, step: Step) -> InferenceVariables:
    shapes = jax.eval_shape(lambda: init_variables(setup.network, jax.random.key(0)))
    with (
        system_errors(workdir, "--workdir"),
        Checkpoints(workdir, read_only=True) as checkpoints,
    ):

        def read(step: int) -> InferenceVariables:
            return read_variables(checkpoints.path(step), shapes)

        if step == "newest":
            restored = checkpoints.newest(read)
        else:
            restored = checkpoints.at(_find_step(checkpoints, step, workdir), read)
    if restored is None:
        raise UserError(f"--workdir={workdir} holds no checkpoint; train a run there first")
    logging.info("Evaluating step %d of %s", restored.step, workdir)
    return restored


def _find_step(checkpoints: Checkpoints, step: Step, workdir: Path) -> int:
    found = checkpoints.best_step if step == "best" else step
    if found in checkpoints.steps:
        return found
    there = ", ".join(map(str, checkpoints.steps)) or "none"
    reason = "no checkpoint was validated" if step == "best" else "there is no such checkpoint"
    raise UserError(f"--step={step}: {reason}; the steps in {workdir} are {there}")
