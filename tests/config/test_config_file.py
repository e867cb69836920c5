"""Configs from files, and the changes that the command line makes."""

import os

import pytest

from madf_jax.config.config_file import change_config, read_config
from madf_jax.config.sections import from_config, to_plain
from madf_jax.errors import UserError
from tests.narrow import narrow_config

FILE = "configs/quickstart.py"
START = "from configs import default\ndef get_config(text='1'):\n    c = default.get_config()\n"


@pytest.fixture(autouse=True)
def at_the_root(monkeypatch, request):
    monkeypatch.chdir(request.config.rootpath)


@pytest.mark.parametrize(
    ("changes", "key", "value"),
    [
        (["--config.network.widths=(4,6)", "--config.network.widths=(8,)"], "widths", (8,)),
        (["--config.network.widths", "(4,6)"], "widths", (4, 6)),
        (["--config.network.widths=[4, 6]"], "widths", (4, 6)),
        (["--config.network.widths=4"], "widths", (4,)),
        (["--config.network.depth=4", "--config.network.depth=5"], "depth", 5),
        (["--config.network.depth", "5"], "depth", 5),
    ],
)
def test_changes_apply_in_order_and_the_last_one_counts(changes, key, value):
    assert read_config(FILE, changes).network[key] == value


def test_booleans_take_words_and_the_form_with_no():
    for change, flip in [
        ("--config.data.flip=false", False),
        ("--noconfig.data.flip", False),
        ("--config.data.flip", True),
        ("--config.data.flip=True", True),
    ]:
        assert read_config(FILE, [change]).data.flip is flip


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ("--config.training.stepz=3", "unknown key 'training.stepz'; did you mean training.steps?"),
        ("--config.trainning.steps=3", "unknown key 'trainning.steps'; did you mean training.st"),
        ("--config.training=3", "unknown key 'training'"),
        ("--config.=3", "unknown key ''"),
        ("--config.data[0]=3", "unknown key 'data[0]'"),
        ("--config.data.flip.x=3", "unknown key 'data.flip.x'"),
        ("--config.training.steps=many", "--config.training.steps=many: invalid literal"),
        ("--config.training.steps", "Missing value for flag --config.training.steps"),
        ("--config.data.flip=maybe", "--config.data.flip=maybe: use True or False"),
        ("--config.network.widths=4,x", "--config.network.widths=4,x: use numbers in parentheses"),
        ("--config.network.widths=", "--config.network.widths=: use numbers in parentheses"),
        ("--config.network.widths=" + 100_000 * "(", "use numbers in parentheses"),
        ("--config.training.steps=" + 5000 * "9", "limit"),
        (
            "--config.data.colour_variation=0.5",
            "data.colour_variation is now data.channel_jitter",
        ),
        (
            "--config.training.pictures_every=5",
            "training.pictures_every is now training.images_every",
        ),
        ("--config.loader.num_workers=2", "loader.num_workers was removed: threads"),
    ],
)
def test_a_change_that_cannot_be_made_is_named(change, message):
    with pytest.raises(UserError) as raised:
        read_config(FILE, [change])
    assert message in str(raised.value)
    assert len(str(raised.value)) < 450


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("def", "line 1: invalid syntax"),
        ("def get_config():\n    return many\n", "line 2: NameError: name 'many' is not defined"),
        ("def get_config():\n    return get_config()\n", "line 2: RecursionError"),
        ("x = 1", "has no attribute 'get_config'"),
        ("def get_config():\n    return None\n", "get_config() gives None, not a ConfigDict"),
        ("def get_config():\n    return {}\n", "get_config() gives {}, not a ConfigDict"),
        (START + "    c.training.steps = 'x'\n    return c\n", "'steps'"),
        (START + "    c.training.stepz = 3\n    return c\n", "stepz"),
        (
            START + "    c.data.colour_variation = 0.5\n    return c\n",
            "data.colour_variation is now data.channel_jitter",
        ),
        (
            START + "    c.loader.num_workers = 2\n    return c\n",
            "loader.num_workers was removed: threads",
        ),
        (START + "    return open('/none')\n", "No such file or directory"),
    ],
)
def test_a_file_that_gives_no_config_is_named_and_nothing_is_left_beside_it(
    tmp_path, text, message
):
    file = tmp_path / "own.py"
    file.write_text(text)
    with pytest.raises(UserError) as raised:
        read_config(str(file), [])
    assert str(file) in str(raised.value) and message in str(raised.value)
    assert [path.name for path in tmp_path.iterdir()] == ["own.py"]


def test_text_after_a_colon_is_an_argument(tmp_path):
    (tmp_path / "own.py").write_text(START + "    c.training.steps = int(text)\n    return c\n")
    assert read_config(f"{tmp_path}/own.py:7", []).training.steps == 7
    assert read_config(f"{tmp_path}/own.py", []).training.steps == 1


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("none.py", "--config=none.py: there is no such file"),
        ("configs", "--config=configs: is a directory"),
        ("", "--config is empty"),
        ("gs://bucket/own.py", "--config=gs://bucket/own.py: only local paths"),
        ("~nobody-of-that-name/own.py", "there is no such user"),
    ],
)
def test_a_path_that_is_no_file_is_named(path, message):
    with pytest.raises(UserError) as raised:
        read_config(path, [])
    assert message in str(raised.value)


def test_a_config_that_is_no_regular_file_is_refused_without_waiting(tmp_path):
    os.mkfifo(tmp_path / "own.py")
    with pytest.raises(UserError, match="is not a regular file"):
        read_config(str(tmp_path / "own.py"), [])


def test_a_home_directory_is_expanded(tmp_path, monkeypatch):
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "own.py").write_text(START + "    return c\n")
    assert read_config("~/own.py", []).training.steps == 1_000_000


def test_plain_values_are_changed_likewise():
    plain = to_plain(from_config(narrow_config()))
    changed = change_config(plain, ["--config.masks.hole=white", "--config.network.widths=(2,2)"])
    expected = narrow_config(**{"masks.hole": "white", "network.widths": (2, 2)})
    assert from_config(changed) == from_config(expected)
    with pytest.raises(UserError, match=r"unknown key 'masks\.holes'"):
        change_config(plain, ["--config.masks.holes=white"])
