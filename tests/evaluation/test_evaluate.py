"""The evaluation of a run whose checkpoint was saved without training."""

import csv
import json

import jax
import numpy as np
import pytest
from PIL import Image

from madf_jax.checkpoints.manager import Checkpoints
from madf_jax.config.sections import from_config
from madf_jax.data.pipeline import evaluation_dataset, iterate
from madf_jax.errors import UserError
from madf_jax.evaluation import loop
from madf_jax.evaluation.loop import evaluate
from madf_jax.evaluation.scoring import METHODS, score_examples
from madf_jax.inference.painter import make_painter
from madf_jax.state.optimizer import make_optimizer
from madf_jax.state.train_state import TrainState
from tests.narrow import narrow_config

COUNT, GRIDS, METRICS = 5, 3, {"psnr", "ssim", "l1", "hole_l1"}


@pytest.fixture(scope="module")
def config():
    return narrow_config(
        **{
            "network.refinements": 1,
            "evaluation.count": COUNT,
            "evaluation.grids": GRIDS,
        }
    )


@pytest.fixture(scope="module")
def state(config, make_variables):
    setup = from_config(config)
    variables, average = (make_variables(setup.network, seed) for seed in (0, 1))
    return TrainState(
        step=np.asarray(12, np.int32),
        params=variables["params"],
        batch_stats=variables["batch_stats"],
        opt_state=make_optimizer(setup.optimizer, 1).init(variables["params"]),
        ema=average["params"],
        skipped=np.zeros((), np.int32),
        skipped_in_row=np.zeros((), np.int32),
    )


@pytest.fixture(scope="module")
def report(config, state, tmp_path_factory):
    """The directory of the report, and what `evaluate` returned."""
    workdir = tmp_path_factory.mktemp("run")
    with Checkpoints(workdir) as checkpoints:
        checkpoints.save(jax.device_put(state, jax.devices()[0]), {})
    return workdir / "report", evaluate(from_config(config), workdir, workdir / "report")


def test_the_json_file_has_exactly_these_keys(report):
    directory, returned = report
    written = json.loads((directory / "evaluation.json").read_text())
    assert written == returned
    assert written.keys() == {"methods", "count", "identical", "step", "size", "seed"}
    assert written["methods"].keys() == {"madf", "mean_fill", "telea", "navier_stokes"}
    assert all(values.keys() == METRICS for values in written["methods"].values())
    assert [written[key] for key in ("count", "step", "size", "seed")] == [COUNT, 12, 16, 1]


def test_means_are_over_the_rows_of_the_table(report):
    directory, summary = report
    with (directory / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COUNT * len(METHODS)
    for method in METHODS:
        for metric in METRICS:
            values = [float(row[metric]) for row in rows if row["method"] == method]
            assert summary["methods"][method][metric] == pytest.approx(np.mean(values))


def test_the_averaged_parameters_are_evaluated_and_batches_do_not_matter(report, config, state):
    """Five images at once give what two, two and one gave."""
    _, summary = report
    setup = from_config(config)
    dataset = evaluation_dataset(
        setup.data, setup.masks, seed=setup.evaluation.seed, count=COUNT, batch_size=COUNT
    )
    variables = {"params": state.ema, "batch_stats": state.batch_stats}
    batches = iterate(dataset, setup.loader)
    examples = list(score_examples(make_painter(setup.network), variables, batches, COUNT))
    for method in METHODS:
        expected = np.mean([example.scores[method]["psnr"] for example in examples])
        assert summary["methods"][method]["psnr"] == pytest.approx(expected, abs=1e-3)


def test_as_many_grids_as_asked_for(report):
    directory, _ = report
    names = sorted(path.name for path in (directory / "grids").iterdir())
    assert names == [f"{index:04d}.png" for index in range(GRIDS)]
    with Image.open(directory / "grids" / names[0]) as image:
        assert image.size == (7 * 192, 192 + 16)


def test_a_failed_evaluation_leaves_the_report_of_before(config, report, monkeypatch):
    directory, _ = report

    def broken(*_):
        raise UserError("a mask is broken")

    before = {path: path.read_bytes() for path in directory.rglob("*.*")}
    monkeypatch.setattr(loop, "score_examples", broken)
    with pytest.raises(UserError, match="a mask is broken"):
        evaluate(from_config(config), directory.parent, directory)
    assert {path: path.read_bytes() for path in directory.rglob("*.*")} == before


def test_a_place_that_cannot_be_written_is_told_before_images_are_painted(
    config, report, tmp_path, monkeypatch
):
    monkeypatch.setattr(loop, "score_examples", None)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--output=.*file can't be made"):
        evaluate(from_config(config), report[0].parent, tmp_path / "file")


def test_a_run_without_a_checkpoint_is_refused(config, tmp_path):
    with pytest.raises(UserError, match="holds no checkpoint; train a run there first"):
        evaluate(from_config(config), tmp_path, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_working_directory_is_refused(config, tmp_path):
    with pytest.raises(UserError, match="missing is not a directory; train a run there first"):
        evaluate(from_config(config), tmp_path / "missing", tmp_path / "report")
    assert list(tmp_path.iterdir()) == []
