"""The configs: every one builds, every key is documented and read."""

import ast
import dataclasses
import importlib
import io
import tokenize
from pathlib import Path

import pytest

from configs import places2
from madf_jax.config.config_file import read_config
from madf_jax.config.page import format_page
from madf_jax.config.sections import Setup, all_options, from_config
from madf_jax.errors import UserError
from madf_jax.objective.supervision import TERMS

ROOT = Path(__file__).parents[1]
CONFIGS = sorted(path.stem for path in (ROOT / "configs").glob("*.py") if path.stem != "__init__")


def get_config(name):
    return importlib.import_module(f"configs.{name}").get_config()


def keys_of(config):
    return {f"{section}.{key}" for section in config for key in config[section]}


def names_read():
    """Attributes that the program reads, and strings (for `getattr`) outside of range checks."""
    names = set(TERMS)
    for path in [*(ROOT / "madf_jax").rglob("*.py"), ROOT / "train.py", ROOT / "eval.py"]:
        todo = [ast.parse(path.read_text())]
        while todo:
            node = todo.pop()
            if isinstance(node, ast.FunctionDef) and node.name == "__post_init__":
                continue
            if isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Load):
                names.add(node.attr)
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                names.add(node.value)
            todo.extend(ast.iter_child_nodes(node))
    return names


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_builds(name):
    setup = from_config(get_config(name))
    for field in dataclasses.fields(Setup):
        assert isinstance(getattr(setup, field.name), field.type)


@pytest.mark.parametrize("name", CONFIGS)
def test_every_config_has_the_defaults_keys_and_is_locked(name):
    config = get_config(name)
    assert keys_of(config) == keys_of(get_config("default"))
    with pytest.raises(AttributeError, match="learning_rte"):
        config.optimizer.learning_rte = 1.0


@pytest.mark.parametrize("accelerator", places2.DEVICES)
def test_a_pod_sees_as_many_places_with_the_same_learning_rate(accelerator):
    alone, pod = (from_config(places2.get_config(name)) for name in ("", accelerator))
    assert pod.training.batch_size % places2.DEVICES[accelerator] == 0
    assert images_seen(pod) == images_seen(alone) == 6_000_000
    assert pod.optimizer == alone.optimizer
    assert pod.network == dataclasses.replace(alone.network, dtype="bfloat16")


def images_seen(setup):
    return setup.training.batch_size * setup.training.steps


def test_an_unknown_pod_is_named_with_those_that_are_known():
    file = ROOT / "configs" / "places2.py"
    with pytest.raises(UserError, match=r"places2\.py: :v9 is none of .* v5e-16, v5p-8, h100-8$"):
        read_config(f"{file}:v9", [])


def test_every_key_is_read():
    names = names_read()
    assert not {key for key in keys_of(get_config("default")) if key.split(".")[1] not in names}


def comments_of_default():
    """The comment of each assignment `config.section.key = value` in `configs/default.py`."""
    text = (ROOT / "configs" / "default.py").read_text()
    comments = {
        token.start[0]: token.string.removeprefix("#").strip()
        for token in tokenize.generate_tokens(io.StringIO(text).readline)
        if token.type == tokenize.COMMENT
    }
    return {
        ast.unparse(node.targets[0]).removeprefix("config."): comments.get(node.end_lineno)
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Assign)
    }


def test_the_default_shows_every_option_with_its_default_and_help():
    config, comments = get_config("default"), comments_of_default()
    options = all_options()
    assert {section: set(config[section]) for section in config} == {
        section: set(rules) for section, rules in options.items()
    }
    for section, keys in options.items():
        for key, rules in keys.items():
            assert config[section][key] == rules.default, f"{section}.{key}"
            assert type(config[section][key]) is type(rules.default), f"{section}.{key}"
            assert comments[f"{section}.{key}"] == rules.help


def test_the_default_values_are_those_of_the_sections():
    setup = from_config(get_config("default"))
    for field in dataclasses.fields(Setup):
        if field.name != "network":
            assert getattr(setup, field.name) == field.type()


def test_the_page_on_the_config_is_up_to_date():
    """`python -m madf_jax.config.page > docs/config.md` writes it."""
    assert (ROOT / "docs" / "config.md").read_text() == format_page()


def test_the_default_is_the_setting_of_the_pytorch_reference():
    setup = from_config(get_config("default"))
    network = setup.network.clone(axis_name=None, dtype=None)
    assert network == type(network)(param_dtype="float32")
    assert (setup.training.batch_size, setup.training.steps) == (6, 1_000_000)
    assert (setup.data.size, setup.data.resize_min, setup.data.resize_max) == (512, 572, 572)
    weights = [setup.objective.weight(term) for term in TERMS]
    assert dict(zip(TERMS, weights, strict=True)) == {
        "valid": 1.0,
        "hole": 6.0,
        "perceptual": 0.05,
        "style": 120.0,
        "tv": 0.1,
    }
    optimizer = setup.optimizer
    assert (optimizer.learning_rate, optimizer.schedule, optimizer.warmup_steps) == (
        2e-4,
        "constant",
        0,
    )
    assert (optimizer.beta1, optimizer.beta2, optimizer.epsilon, optimizer.clip_norm) == (
        0.9,
        0.999,
        1e-8,
        0.0,
    )
