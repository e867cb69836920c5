"""`config.json` of a working directory: read, compared, written, its history kept."""

import json
import os

import pytest

from madf_jax import former_keys
from madf_jax.config.run_config import find_differences, read_run_config, write_run_config
from madf_jax.config.sections import from_config, to_plain
from madf_jax.errors import UserError
from tests.narrow import narrow_config


def setup_of(**changes):
    return from_config(narrow_config(**changes))


def edit(workdir, change):
    path = workdir / "config.json"
    content = json.loads(path.read_text())
    change(content)
    path.write_text(json.dumps(content))


@pytest.fixture
def workdir(tmp_path):
    write_run_config(setup_of(), tmp_path, step=0)
    return tmp_path


def test_what_was_written_is_read_again(workdir):
    assert read_run_config(workdir) == to_plain(setup_of())
    assert from_config(read_run_config(workdir)) == setup_of()


def test_a_key_that_came_later_has_its_default(workdir):
    edit(workdir, lambda content: content["objective"].pop("tv"))
    assert read_run_config(workdir)["objective"]["tv"] == 0.1
    edit(workdir, lambda content: content.pop("loader"))
    assert read_run_config(workdir)["loader"]["prefetch"] == 8


def test_a_key_that_went_is_a_difference_that_is_not_free(workdir):
    edit(workdir, lambda content: content["objective"].update(former=3))
    (found,) = find_differences(read_run_config(workdir), to_plain(setup_of()))
    assert str(found) == "objective.former is 3 there, absent now"
    assert not found.is_free and not found.changes_shapes


def test_a_key_that_was_removed_keeps_no_run_from_going_on(workdir):
    edit(workdir, lambda content: content["loader"].update(num_workers=2))
    assert find_differences(read_run_config(workdir), to_plain(setup_of())) == []


@pytest.mark.parametrize(
    ("section", "former", "value", "changes"),
    [
        ("data", "colour_variation", 0.3, {"data.channel_jitter": 0.3}),
        ("network", "hidden", 7, {"network.norm_hidden": 7}),
        ("training", "pictures_every", 7, {"training.images_every": 7}),
        ("data", "evaluation_crop", "centre", {"data.evaluation_crop": "center"}),
        ("training", "batch_norm", "synchronised", {}),
    ],
)
def test_a_config_with_former_names_is_read(workdir, section, former, value, changes):
    defaults = {"data.channel_jitter": 0.0, "network.norm_hidden": 128}
    rest = {**defaults, "training.images_every": 5000, **changes}

    def use_former(content):
        for name in rest:
            place, _, key = name.partition(".")
            content[place].pop(key)
        content[section][former] = value

    write_run_config(setup_of(**rest), workdir, step=0)
    edit(workdir, use_former)
    assert read_run_config(workdir) == to_plain(setup_of(**rest))


def test_a_key_that_was_removed_on_purpose_is_no_difference(workdir, monkeypatch):
    monkeypatch.setitem(former_keys._REMOVED, "objective.former", "leave it out")
    edit(workdir, lambda content: content["objective"].update(former=3))
    assert read_run_config(workdir) == to_plain(setup_of())


@pytest.mark.parametrize(
    "content",
    [
        b"{",
        b"[]",
        b"{}",
        b"3",
        b'{"other": 3}',
        b"[" * 100_000,
        b'{"a":' * 100_000,
        b"\xff\xfe\x00",
    ],
    ids=["cut", "list", "empty", "number", "other", "deep list", "deep dict", "not text"],
)
def test_what_is_not_the_config_of_a_run_is_refused_by_name(tmp_path, content):
    (tmp_path / "config.json").write_bytes(content)
    with pytest.raises(UserError, match=r"config\.json: is not") as raised:
        read_run_config(tmp_path)
    assert len(str(raised.value)) < 400


def test_what_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "config.json")
    with pytest.raises(UserError, match=r"config\.json: is not a regular file"):
        read_run_config(tmp_path)


def test_sections_of_no_kind_count_as_empty(tmp_path):
    (tmp_path / "config.json").write_text('{"network": 5, "training": {"seed": 3}}')
    found = read_run_config(tmp_path)
    assert (found["network"]["depth"], found["training"]["seed"]) == (7, 3)


def test_the_config_before_a_change_is_kept_and_each_key_logged(workdir, caplog):
    caplog.set_level("INFO", "absl")
    before = (workdir / "config.json").read_text()
    write_run_config(setup_of(**{"objective.hole": 5.0, "training.log_every": 7}), workdir, step=40)
    assert (workdir / "config-40.json").read_text() == before
    assert read_run_config(workdir)["objective"]["hole"] == 5.0
    assert caplog.messages == [
        "config.objective.hole: 6.0 until step 40, 5.0 from here on",
        "config.training.log_every: 5 until step 40, 7 from here on",
    ]


def test_the_same_config_leaves_no_history(workdir):
    write_run_config(setup_of(), workdir, step=40)
    assert [path.name for path in workdir.iterdir()] == ["config.json"]


def test_a_run_that_has_taken_all_its_steps_keeps_its_config(workdir):
    before = (workdir / "config.json").read_bytes()
    write_run_config(setup_of(**{"training.steps": 40, "training.seed": 3}), workdir, step=40)
    assert [path.name for path in workdir.iterdir()] == ["config.json"]
    assert (workdir / "config.json").read_bytes() == before


def test_no_config_of_the_history_is_lost(workdir):
    """Two starts may leave from the same step with other changes."""
    for seed in (1, 2, 3):
        write_run_config(setup_of(**{"training.seed": seed}), workdir, step=40)
    kept = {
        path.name: json.loads(path.read_text())["training"]["seed"] for path in workdir.iterdir()
    }
    assert kept == {
        "config.json": 3,
        "config-40.json": 0,
        "config-40-2.json": 1,
        "config-40-3.json": 2,
    }


def test_nothing_is_kept_of_a_run_that_has_no_step(workdir):
    (workdir / "config.json").write_text("{")
    write_run_config(setup_of(), workdir, step=0)
    assert read_run_config(workdir) == to_plain(setup_of())
    assert len(list(workdir.iterdir())) == 1
