import numpy as np
import pytest

from configs import default
from madf_jax import former_keys
from madf_jax.config.sections import from_config
from madf_jax.errors import UserError
from madf_jax.state.train_state import AXIS


@pytest.fixture
def config():
    return default.get_config().unlock()


@pytest.mark.parametrize("section", ["network", "objective", "optimizer", "training", "masks"])
def test_an_unknown_key_is_named_with_its_section(config, section):
    config[section].leraning_rate = 1
    with pytest.raises(UserError, match=rf"config\.{section} has no key 'leraning_rate'; its keys"):
        from_config(config)


def test_a_former_key_is_explained(config, monkeypatch):
    monkeypatch.setitem(former_keys._REMOVED, "loader.former", "leave it out")
    config.loader.former = 3
    with pytest.raises(UserError, match=r"^loader\.former was removed: leave it out$"):
        from_config(config)
    del config.loader.former
    config.data.colour_variation = 0.5
    with pytest.raises(UserError, match=r"^data\.colour_variation is now data\.channel_jitter$"):
        from_config(config)


@pytest.mark.parametrize(
    ("section", "key"), [("network", "depth"), ("loader", "prefetch"), ("evaluation", "grids")]
)
def test_a_missing_key_is_named_with_its_section(config, section, key):
    del config[section][key]
    with pytest.raises(UserError, match=rf"config\.{section} lacks the key '{key}'"):
        from_config(config)


def test_a_missing_section_is_named(config):
    del config["masks"]
    with pytest.raises(UserError, match="config lacks the key 'masks'"):
        from_config(config)


def test_what_is_no_section_is_named(config):
    with config.ignore_type():
        config.masks = 5
    with pytest.raises(UserError, match=r"config\.masks is 5, not a section"):
        from_config(config)


def test_an_unknown_section_is_named(config):
    config.optimzer = {}
    with pytest.raises(UserError, match="config has no key 'optimzer'; its keys are data,"):
        from_config(config)


def test_a_removed_key_is_answered_by_what_to_do(config):
    with config.unlocked():
        config.loader.num_workers = 2
    with pytest.raises(UserError, match=r"loader\.num_workers was removed: threads"):
        from_config(config)


@pytest.mark.parametrize("key", ["axis_name", "parent", "name"])
def test_what_no_user_sets_is_no_key(config, key):
    config.network[key] = None
    with pytest.raises(UserError, match=f"config.network has no key '{key}'"):
        from_config(config)


def test_a_size_that_the_depth_does_not_divide_is_refused(config):
    config.data.size = 320
    with pytest.raises(UserError, match=r"data\.size is 320.*depth=7.*multiple of 128"):
        from_config(config)


@pytest.mark.parametrize(("choice", "axis"), [("synchronized", AXIS), ("per_device", None)])
def test_batch_norm_decides_over_what_statistics_are_taken(config, choice, axis):
    config.training.batch_norm = choice
    assert from_config(config).network.axis_name == axis


def test_values_out_of_range_surface_from_their_section(config):
    config.optimizer.learning_rate = float(np.nan)
    with pytest.raises(UserError, match=r"optimizer\.learning_rate is nan"):
        from_config(config)


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("depth", 2),
        ("refinements", -1),
        ("filtering", "wide"),
        ("dtype", "float64"),
        ("dtype", "int32"),
        ("param_dtype", "bfloat16"),
    ],
)
def test_wrong_values_of_the_network_are_refused_at_the_door(config, key, value):
    config.network[key] = value
    with pytest.raises(UserError, match=rf"network\.{key}"):
        from_config(config)
