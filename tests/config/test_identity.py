"""Which configs may be used to continue a run, and what a job's processes must share."""

import json

import pytest

from madf_jax.config.identity import check_config, describe_job
from madf_jax.config.run_config import write_run_config
from madf_jax.config.sections import all_options, from_config
from madf_jax.errors import UserError
from tests.narrow import narrow_config

SCHEDULE = {"optimizer.schedule": "cosine", "optimizer.warmup_steps": 50, "training.steps": 60}


def setup_of(**changes):
    return from_config(narrow_config(**changes))


@pytest.fixture
def workdir(tmp_path):
    """Of a run that was trained with `narrow_config`."""
    write_run_config(setup_of(), tmp_path, step=0)
    return tmp_path


def test_the_same_config_continues(workdir):
    check_config(setup_of(), workdir, step=4)


def test_a_directory_without_a_config_takes_every_one(tmp_path):
    """`convert` writes a checkpoint alone."""
    check_config(setup_of(), tmp_path, step=4)
    write_run_config(setup_of(), tmp_path, step=4)
    assert [path.name for path in tmp_path.iterdir()] == ["config.json"]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.log_every", 3),
        ("network.remat", "everything"),
        ("loader.num_threads", 3),
        ("data.train_path", "elsewhere"),
    ],
)
def test_how_and_from_where_a_run_is_computed_may_change(workdir, key, value):
    check_config(setup_of(**{key: value}), workdir, step=4)


@pytest.mark.parametrize(
    ("key", "before", "value"),
    [
        ("training.seed", "0", 7),
        ("training.batch_size", "4", 12),
        ("objective.hole", "6.0", 5.0),
        ("data.size", "16", 8 * 3),
        ("training.ema_decay", "0.995", 0.9),
    ],
)
def test_what_is_computed_may_change_only_if_accepted(workdir, key, before, value):
    changes = {key: value, "data.resize_min": 24}
    with pytest.raises(UserError) as raised:
        check_config(setup_of(**changes), workdir, step=4)
    assert f"{key} is {before} there, {json.dumps(value)} now" in str(raised.value)
    assert "changed_config=accept" in str(raised.value)
    check_config(setup_of(**changes, **{"training.changed_config": "accept"}), workdir, step=4)


@pytest.mark.parametrize("choice", ["refuse", "accept"])
@pytest.mark.parametrize(
    ("key", "value"), [("network.refinements", 1), ("network.widths", (8,)), ("ema_decay", 0.0)]
)
def test_other_shapes_are_refused_without_the_advice_to_accept_them(workdir, key, value, choice):
    key = key if "." in key else f"training.{key}"
    changes = {key: value, "training.seed": 3, "training.changed_config": choice}
    with pytest.raises(UserError) as raised:
        check_config(setup_of(**changes), workdir, step=4)
    message = str(raised.value)
    assert f"{key} is " in message and "have other shapes" in message
    assert "changed_config=accept" not in message


@pytest.mark.parametrize(
    ("step", "steps", "jumps"),
    [(60, 600, True), (20, 600, False), (55, 60, False), (55, 70, True), (60, 3, False)],
)
def test_more_steps_are_refused_where_the_learning_rate_would_jump(tmp_path, step, steps, jumps):
    """During the rise from 0 it does not; nor does it matter to a run that is past its end."""
    write_run_config(setup_of(**SCHEDULE), tmp_path, step=0)
    changes = {**SCHEDULE, "training.steps": steps}
    if not jumps:
        check_config(setup_of(**changes), tmp_path, step)
        return
    with pytest.raises(UserError, match=f"training.steps is 60 there, {steps} now, which moves"):
        check_config(setup_of(**changes), tmp_path, step)
    check_config(setup_of(**changes, **{"training.changed_config": "accept"}), tmp_path, step)


def test_a_jump_of_the_learning_rate_is_reported_with_both_values(tmp_path):
    write_run_config(setup_of(**SCHEDULE), tmp_path, step=0)
    with pytest.raises(UserError, match=r"from 4\.9e-05 at step 60 to 0\.002 at the next one"):
        check_config(setup_of(**{**SCHEDULE, "training.steps": 600}), tmp_path, step=60)


def test_a_constant_schedule_takes_any_number_of_steps(tmp_path):
    write_run_config(setup_of(**{"optimizer.schedule": "constant"}), tmp_path, step=0)
    changes = {"optimizer.schedule": "constant", "training.steps": 99}
    check_config(setup_of(**changes), tmp_path, step=50)


@pytest.mark.parametrize("value", ["wide", None, 5, [[1]], {"a": 1}, float("inf"), [7] * 10_000])
@pytest.mark.parametrize("key", ["network.depth", "network.widths", "training.steps"])
def test_a_config_of_values_that_no_key_can_have_is_another_one(workdir, key, value):
    section, _, name = key.partition(".")
    content = json.loads((workdir / "config.json").read_text())
    content[section][name], content["optimizer"]["schedule"] = value, "fast"
    (workdir / "config.json").write_text(json.dumps(content))
    with pytest.raises(UserError, match='schedule is "fast" there, "cosine" now') as raised:
        check_config(setup_of(), workdir, step=4)
    assert len(str(raised.value)) < 600


def test_many_differences_are_counted(workdir):
    changes = {f"masks.{key}": (0.0, 0.3) for key in ("stroke_width", "box_side")}
    changes |= {f"objective.{key}": 0.7 for key in ("valid", "hole", "tv")}
    changes |= {f"optimizer.{key}": 0.7 for key in ("beta1", "beta2", "epsilon", "clip_norm")}
    with pytest.raises(UserError, match=r"; and 1 more\. Use that config or another --workdir"):
        check_config(setup_of(**changes), workdir, step=4)


def test_processes_of_a_job_may_differ_in_the_marked_keys_alone():
    own = describe_job(setup_of(), {"images": 3})
    assert describe_job(setup_of(), {"images": 4}) != own
    changes = {"data.train_path": "elsewhere", "loader.num_threads": 3}
    assert describe_job(setup_of(**changes), {"images": 3}) == own
    assert describe_job(setup_of(**{"training.log_every": 7}), {"images": 3}) != own


def test_a_key_that_decides_shapes_is_not_free():
    rules = [rules for options in all_options().values() for rules in options.values()]
    assert not [rule.help for rule in rules if rule.shapes and rule.free]
    assert not [rule.help for rule in rules if rule.path and not (rule.free and rule.per_process)]
