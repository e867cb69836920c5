import csv
import dataclasses
import json
import shutil

import numpy as np
import pytest
from etils import epath
from PIL import Image

from madf_jax import weights
from madf_jax.errors import UserError
from madf_jax.evaluation import networks as module
from madf_jax.evaluation.evaluate import evaluate
from madf_jax.evaluation.evaluator import NETWORK, Evaluator, make_evaluator
from madf_jax.evaluation.networks import parse_step
from madf_jax.evaluation.report import to_json
from madf_jax.evaluation.validation import Validation
from madf_jax.inference.classical import CLASSICAL
from madf_jax.inference.inpaint import any_image
from madf_jax.inference.painter import Painter
from madf_jax.metrics.metric import METRICS as METRICS_OF_IMAGES
from tests.evaluation.conftest import BEST, COUNT, GRIDS, STEPS

METRICS = {"psnr", "ssim", "l1", "hole_l1"}
PSNR = {"psnr": METRICS_OF_IMAGES["psnr"]}
METHODS = ("madf", "mean_fill", "telea", "navier_stokes")


@pytest.fixture(scope="module")
def report(setup, workdir, tmp_path_factory):
    """The directory of the report, and what `evaluate` returned."""
    directory = tmp_path_factory.mktemp("reports") / "report"
    return directory, evaluate(setup, workdir, directory)


def test_the_json_file_has_exactly_these_keys(report):
    directory, returned = report
    written = json.loads((directory / "evaluation.json").read_text())
    assert written == json.loads(to_json(returned))
    assert list(written) == [
        *("methods", "count", "identical", "step", "weights", "variables_sha256", "size", "seed"),
        *("protocol", "metrics", "higher_is_better", "left_out", "inception", "statistics"),
        *("command", "versions", "devices", "files"),
    ]
    assert tuple(written["methods"]) == METHODS
    assert all(values.keys() == METRICS for values in written["methods"].values())
    assert [written[key] for key in ("count", "size", "seed")] == [COUNT, 16, 1]


def test_the_page_shows_the_means_and_the_images_of_the_network(report):
    directory, summary = report
    page = (directory / "evaluation.html").read_text()
    assert f"{summary['methods']['madf']['psnr']:.2f}" in page
    assert summary["variables_sha256"] in page
    # One of each kind, as there are five examples; four tiles each.
    assert page.count("data:image/jpeg;base64,") == 3 * 4
    assert r"\toprule" in (directory / "evaluation.tex").read_text()
    assert "| madf |" in (directory / "evaluation.md").read_text()


def test_means_are_over_the_rows_of_the_table(report):
    directory, summary = report
    with (directory / "evaluation.csv").open() as file:
        rows = list(csv.DictReader(file))
    assert len(rows) == COUNT * len(METHODS)
    assert [row["image"] for row in rows[:: len(METHODS)]] == [
        *["chelsea", "flower"] * 2,
        "chelsea",
    ]
    assert [row["mask"] for row in rows[:: len(METHODS)]] == [f"generated-{i}" for i in range(5)]
    for method in METHODS:
        for metric in METRICS:
            values = [float(row[metric]) for row in rows if row["method"] == method]
            assert summary["methods"][method][metric] == pytest.approx(np.mean(values))


def test_statistics_have_a_group_for_each_share_and_the_means_of_the_table(report):
    directory, summary = report
    groups = summary["statistics"]
    assert next(iter(groups)) == "overall"
    buckets = [group["count"] for name, group in groups.items() if name != "overall"]
    assert sum(buckets) == groups["overall"]["count"] == COUNT
    for method in METHODS:
        for metric in METRICS:
            found = groups["overall"]["methods"][method][metric]["mean"]
            assert found == summary["methods"][method][metric]
    assert tuple(groups["overall"]["comparisons"]) == METHODS[1:]
    text = (directory / "evaluation.txt").read_text()
    assert all(f"hole share {name}" in text for name in groups if name != "overall")


def test_a_protocol_of_other_metrics_has_its_own_columns(setup, workdir, tmp_path):
    data = dataclasses.replace(setup.data, size=64, resize_min=64)
    options = dataclasses.replace(setup.evaluation, protocol="edgeconnect", count=2)
    summary = evaluate(dataclasses.replace(setup, data=data, evaluation=options), workdir, tmp_path)
    names = ["psnr_gray", "ssim_gray51", "mae_edgeconnect"]
    assert summary["protocol"] == "edgeconnect"
    assert list(summary["metrics"]) == list(summary["methods"]["telea"]) == names
    header = (tmp_path / "evaluation.csv").read_text().splitlines()[0]
    assert header.split(",")[4:] == names
    assert "PSNR gray dB" in (tmp_path / "evaluation.txt").read_text()


def mean_psnr(setup, state, count=COUNT):
    network = Painter(setup.network, COUNT).with_variables(state.inference_variables)
    examples = make_evaluator(setup, count).run({NETWORK: any_image(network)}, PSNR)
    return np.mean([example.scores[NETWORK]["psnr"] for example in examples])


def test_the_averaged_parameters_of_the_newest_checkpoint_are_evaluated(report, setup, states):
    """Five images at once give what two, two and one gave."""
    _, summary = report
    assert (summary["step"], summary["weights"]) == (STEPS[-1], "averaged")
    state = states[STEPS[-1]]
    found = summary["methods"]["madf"]["psnr"]
    assert found == pytest.approx(mean_psnr(setup, state), abs=1e-3)
    assert abs(found - mean_psnr(setup, state.replace(ema=None))) > 0.01


@pytest.mark.parametrize(("asked", "step"), [("best", BEST), (4, 4), ("newest", 12)])
def test_the_checkpoint_of_any_step_is_evaluated(setup, workdir, states, tmp_path, asked, step):
    summary = evaluate(setup, workdir, tmp_path, asked)
    assert summary["step"] == step
    expected = mean_psnr(setup, states[step])
    assert summary["methods"]["madf"]["psnr"] == pytest.approx(expected, abs=1e-3)


def test_a_step_that_is_not_there_is_refused_with_those_that_are(setup, workdir, tmp_path):
    with pytest.raises(UserError, match=r"--step=7: there is no such.*run are 4, 8, 12$"):
        evaluate(setup, workdir, tmp_path / "report", 7)
    assert list(tmp_path.iterdir()) == []


def test_the_best_is_refused_where_none_was_validated(setup, workdir, tmp_path):
    copy = shutil.copytree(workdir, tmp_path / "run")
    for step in STEPS[:-1]:
        shutil.rmtree(copy / "checkpoints" / str(step))
    with pytest.raises(UserError, match=r"--step=best: no checkpoint was validated; .* are 12$"):
        evaluate(setup, copy, tmp_path / "report", "best")


def damage(workdir, step):
    for path in (workdir / "checkpoints" / str(step) / "state").rglob("*"):
        if path.is_file():
            path.write_bytes(b"")


def test_no_other_takes_the_place_of_a_damaged_checkpoint_that_was_named(setup, workdir, tmp_path):
    copy = shutil.copytree(workdir, tmp_path / "run")
    damage(copy, STEPS[-1])
    with pytest.raises(UserError, match=r"checkpoints/12: is damaged: "):
        evaluate(setup, copy, tmp_path / "report", STEPS[-1])
    assert evaluate(setup, copy, tmp_path / "report")["step"] == STEPS[-2]


@pytest.mark.parametrize("text", ["", "-1", "1.5", "last", "٣", "9" * 5000])
def test_what_is_no_step_is_refused(text):
    with pytest.raises(UserError, match="use the number of a step, 'newest' or 'best'"):
        parse_step(text)


def test_steps_are_numbers_or_words():
    assert [parse_step(text) for text in ("12", "best", "newest")] == [12, "best", "newest"]


def test_as_many_grids_as_asked_for(report):
    directory, _ = report
    names = sorted(path.name for path in (directory / "grids").iterdir())
    assert names == [f"{index:04d}.png" for index in range(GRIDS)]
    with Image.open(directory / "grids" / names[0]) as image:
        assert image.size == (7 * 192, 192 + 32)


def never(*_, **__):
    raise AssertionError("too late")


def test_a_failed_evaluation_leaves_the_report_of_before(setup, workdir, report, monkeypatch):
    directory, _ = report

    def broken(*_, **__):
        raise UserError("a mask is broken")
        yield

    before = {path: path.read_bytes() for path in directory.rglob("*.*")}
    monkeypatch.setattr(Evaluator, "run", broken)
    with pytest.raises(UserError, match="a mask is broken"):
        evaluate(setup, workdir, directory)
    assert {path: path.read_bytes() for path in directory.rglob("*.*")} == before


def test_a_place_that_cannot_be_written_is_found_before_images_are_painted(
    setup, workdir, tmp_path, monkeypatch
):
    monkeypatch.setattr(Evaluator, "run", never)
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--output=.*file can't be made"):
        evaluate(setup, workdir, tmp_path / "file")


@pytest.mark.parametrize("key", ["data", "masks"])
@pytest.mark.parametrize("name", ["train_path", "evaluation_path"])
def test_an_output_inside_an_input_folder_is_refused_before_the_work(
    setup, workdir, tmp_path, monkeypatch, key, name
):
    monkeypatch.setattr(module, "read_variables", never)
    section = getattr(setup, key)
    changed = setup.__class__(
        **{**vars(setup), key: section.__class__(**{**vars(section), name: str(tmp_path)})}
    )
    with pytest.raises(UserError, match=rf"is inside --config\.{key}\.{name}="):
        evaluate(changed, workdir, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_a_run_without_a_checkpoint_is_refused(setup, tmp_path):
    with pytest.raises(UserError, match="holds no checkpoint; train a run there first"):
        evaluate(setup, tmp_path, tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_a_missing_working_directory_is_refused(setup, tmp_path):
    with pytest.raises(UserError, match="missing is not a directory; train a run there first"):
        evaluate(setup, tmp_path / "missing", tmp_path / "report")
    assert list(tmp_path.iterdir()) == []


def test_a_validation_gives_the_score_of_an_evaluation(setup, states):
    state = states[BEST]
    score = Validation(setup).score(state.inference_variables)
    count = setup.evaluation.validation_count
    assert score == pytest.approx(mean_psnr(setup, state, count), abs=1e-3)


def test_a_validation_shows_its_first_examples(setup, states):
    grid = Validation(setup).images(states[BEST].inference_variables)
    assert grid.shape == (2 * 16, 4 * 16, 3)
    (first, second) = make_evaluator(setup, 2).run({"telea": any_image(CLASSICAL["telea"])}, PSNR)
    np.testing.assert_array_equal(grid[:16, 48:], first.image)
    np.testing.assert_array_equal(grid[16:, 48:], second.image)
    known = first.mask[..., 0] == 1
    for column in (0, 32):
        tile = grid[:16, column : column + 16]
        np.testing.assert_array_equal(tile[known], first.image[known])


def test_a_file_of_weights_in_a_bucket_is_named_and_hashed_as_one_on_a_disk(
    setup, workdir, tmp_path
):
    file = tmp_path / "network.npz"
    weights.save(file, weights.load(workdir))
    there = module.open_network(setup, None, "newest", epath.Path(file))
    here = module.open_network(setup, None, "newest", file)
    assert there.file == here.file and len(there.file["weights_sha256"]) == 64
