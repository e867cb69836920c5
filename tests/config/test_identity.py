"""Which configs may go on in a working directory."""

import json

import pytest

from configs import default
from madf_jax.config.identity import FREE, check_config, describe_job, write_config
from madf_jax.config.sections import from_config
from madf_jax.errors import UserError


@pytest.fixture
def config():
    return default.get_config().unlock()


def test_a_new_working_directory_takes_every_config(config, tmp_path):
    check_config(from_config(config), tmp_path / "none")
    assert not (tmp_path / "none").exists()


def test_the_same_config_goes_on(config, tmp_path):
    write_config(from_config(config), tmp_path)
    check_config(from_config(config), tmp_path)


def test_processes_of_a_job_may_differ_in_where_things_lie_alone(config):
    own = describe_job(from_config(config), {"images": 3})
    assert describe_job(from_config(config), {"images": 4}) != own
    config.data.train_path, config.loader.num_threads = "elsewhere", 3
    assert describe_job(from_config(config), {"images": 3}) == own
    config.training.steps = 7
    assert describe_job(from_config(config), {"images": 3}) != own


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.steps", 7),
        ("training.log_every", 3),
        ("network.remat", "everything"),
        ("loader.num_threads", 3),
        ("data.train_path", "elsewhere"),
    ],
)
def test_where_and_how_a_run_is_computed_may_change(config, tmp_path, key, value):
    write_config(from_config(config), tmp_path)
    config.update_from_flattened_dict({key: value})
    check_config(from_config(config), tmp_path)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("training.seed", 7),
        ("training.batch_size", 12),
        ("objective.hole", 5.0),
        ("data.size", 256),
    ],
)
def test_what_is_computed_may_not(config, tmp_path, key, value):
    write_config(from_config(config), tmp_path)
    before = json.dumps(config.to_dict()[key.split(".")[0]][key.split(".")[1]])
    config.update_from_flattened_dict({key: value})
    with pytest.raises(UserError, match=rf"{key} is {before} there, {json.dumps(value)} now"):
        check_config(from_config(config), tmp_path)
    config.training.changed_config = "accept"
    check_config(from_config(config), tmp_path)


def test_keys_that_came_or_went_are_named(config, tmp_path):
    write_config(from_config(config), tmp_path)
    kept = json.loads((tmp_path / "config.json").read_text())
    del kept["objective"]["tv"]
    (tmp_path / "config.json").write_text(json.dumps(kept))
    with pytest.raises(UserError, match=r"objective\.tv is absent there, 0\.1 now"):
        check_config(from_config(config), tmp_path)


def test_every_free_key_is_a_key(config):
    keys = {f"{section}.{key}" for section in config for key in config[section]}
    assert {*keys, *config} >= FREE
