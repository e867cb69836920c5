"""Which config an evaluation takes, and what it logs of it."""

import json
import shutil
import types
from pathlib import Path

import pytest

from madf_jax.config.sections import to_plain
from madf_jax.errors import UserError
from madf_jax.evaluation.config import choose_setup

QUICKSTART = Path(__file__).parents[2] / "configs" / "quickstart.py"


@pytest.fixture
def logged(monkeypatch):
    """Lines that are logged."""
    lines = []
    # Of this module alone: other libraries log through absl, too.
    logging = types.SimpleNamespace(info=lambda text, *values: lines.append(text % values))
    monkeypatch.setattr("madf_jax.evaluation.config.logging", logging)
    return lines


def test_the_config_is_that_of_the_run(setup, workdir, logged):
    assert to_plain(choose_setup(None, [], workdir)) == to_plain(setup)
    assert logged == []


def test_flags_change_it_with_a_line_for_each_key(setup, workdir, logged):
    changes = ["--config.masks.hole=white", "--config.evaluation.count", "3"]
    found = choose_setup(None, changes, workdir)
    assert (found.masks.hole, found.evaluation.count) == ("white", 3)
    assert found.masks.hole_max == setup.masks.hole_max == 0.5
    assert logged == [
        "config.evaluation.count is 5 there, 3 now",
        'config.masks.hole is "black" there, "white" now',
    ]


def test_a_file_takes_its_place_with_a_line_for_each_key(workdir, tmp_path, logged):
    """Here every key that `narrow_config` sets, and those of the fixture."""
    file = tmp_path / "config.py"
    file.write_text(
        "from tests.narrow import narrow_config\n"
        "def get_config():\n"
        "    return narrow_config(**{'network.refinements': 1, 'evaluation.seed': 9})\n"
    )
    found = choose_setup(str(file), ["--config.evaluation.count=5"], workdir)
    assert (found.evaluation.seed, found.masks.hole_max) == (9, 0.4)
    assert logged == [
        "config.evaluation.grids is 3 there, 64 now",
        "config.evaluation.seed is 1 there, 9 now",
        "config.masks.hole_max is 0.5 there, 0.4 now",
    ]


def test_a_file_is_enough_where_the_run_has_no_config(tmp_path, logged):
    found = choose_setup(str(QUICKSTART), [], tmp_path)
    assert found.data.size == 64
    assert logged == [f"{tmp_path} has no config.json to compare the config with"]


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (None, r"has no config\.json; name its config by --config"),
        ("[" * 100_000, r"config\.json: is not JSON"),
        ("{", r"config\.json: is not JSON"),
        ("[]", r"config\.json: is not the config of a run"),
        ('{"network": {"depth": {}}}', r"network\.depth"),
    ],
)
def test_a_run_without_a_config_that_can_be_used_is_one_line(tmp_path, content, message):
    if content is not None:
        (tmp_path / "config.json").write_text(content)
    with pytest.raises(UserError, match=message):
        choose_setup(None, [], tmp_path)


def test_a_key_that_came_later_has_its_default(workdir, tmp_path):
    copy = shutil.copytree(workdir, tmp_path / "run")
    config = json.loads((copy / "config.json").read_text())
    del config["evaluation"]["grids"]
    (copy / "config.json").write_text(json.dumps(config))
    assert choose_setup(None, [], copy).evaluation.grids == 64


@pytest.mark.parametrize("change", ["--config.masks.hol=white", "--config.data.size=many"])
def test_a_wrong_change_is_one_line(workdir, change):
    with pytest.raises(UserError, match=r"masks\.hol|data\.size"):
        choose_setup(None, [change], workdir)


def test_a_missing_directory_is_one_line(tmp_path):
    with pytest.raises(UserError, match="is not a directory; train a run there first"):
        choose_setup(None, [], tmp_path / "missing")
