"""The evaluation of a run: newest checkpoint, held-out images, report."""

from pathlib import Path
from typing import Any

import jax
from absl import logging
from tqdm import tqdm

from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.config.sections import Setup, abstract_state
from madf_jax.data.pipeline import evaluation_dataset, iterate
from madf_jax.errors import UserError
from madf_jax.evaluation import report
from madf_jax.evaluation.scoring import score_examples
from madf_jax.files import make_directory
from madf_jax.inference.painter import make_painter


def evaluate(setup: Setup, workdir: Path, output: Path) -> dict[str, Any]:
    """Evaluates the newest checkpoint of a run and writes the report.

    Args:
        setup: the sections of the run's config.
        workdir: of the run.
        output: directory for `evaluation.json`, `evaluation.csv` and `grids/`; made if need be.

    Returns:
        What `evaluation.json` holds.

    Raises:
        UserError: no checkpoint, or one of another config; the held-out images can't be read,
            and a report of before stands as it was; or the report can't be written.
    """
    options = setup.evaluation
    step, variables = _restore(setup, workdir)
    dataset = evaluation_dataset(
        setup.data,
        setup.masks,
        seed=options.seed,
        count=options.count,
        batch_size=options.batch_size,
    )
    make_directory(output, "--output")
    scores, rows = [], []
    batches = tqdm(
        iterate(dataset, setup.loader), total=len(dataset), unit="batch", desc="evaluate"
    )
    painter = make_painter(setup.network)
    for index, example in enumerate(
        score_examples(painter, variables, batches, options.batch_size)
    ):
        scores.append(example.scores)
        if index < options.grids:
            rows.append(report.draw_example(example))
    facts = {"step": step, "size": setup.data.size, "seed": options.seed}
    summary = report.summarize(scores, facts)
    report.write_summary(output, summary, scores)
    report.write_grids(output / "grids", rows)
    return summary


def _restore(setup: Setup, workdir: Path) -> tuple[int, Any]:
    if not workdir.is_dir():
        raise UserError(f"--workdir={workdir} is not a directory; train a run there first")
    device = jax.sharding.SingleDeviceSharding(jax.local_devices()[0])
    with Checkpoints(workdir, read_only=True) as checkpoints:
        restored = checkpoints.restore(abstract_state(setup, device))
    if restored is None:
        raise UserError(f"--workdir={workdir} holds no checkpoint; train a run there first")
    logging.info("Evaluating step %d of %s", restored.step, workdir)
    return restored.step, restored.state.inference_variables
