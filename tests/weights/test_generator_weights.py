import importlib.util
import pathlib

import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.weights.generator import (
    compare_with_network,
    from_reference,
    to_reference,
    without_prefixes,
)

RECORDED = pathlib.Path(__file__).parents[1] / "recorded"
SIZES = [(3, 0), (5, 1), (7, 2), (8, 3)]


@pytest.mark.parametrize("size", SIZES)
@pytest.mark.parametrize("prefix", ["", "module.model."])
def test_there_and_back_is_bit_identical(
    size, prefix, make_narrow, make_state_dict, assert_identical
):
    network, state_dict = make_narrow(*size), make_state_dict(*size)
    back = to_reference(from_reference(state_dict, network), network, prefix)
    assert_identical(back, {prefix + name: value for name, value in state_dict.items()})
    assert_identical(without_prefixes(back), state_dict)


def test_rule_weights_go_there_and_back(assert_identical):
    spec = importlib.util.spec_from_file_location("rule_weights", RECORDED / "rule_weights.py")
    rules = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(rules)
    rule_weights = rules.rule_weights(layer_size=4, n_refinement=1)
    state_dict = {k: v for k, v in rule_weights.items() if not k.startswith("extractor.")}
    network = MADF(depth=4, refinements=1)
    back = to_reference(from_reference(state_dict, network), network)
    assert list(back) == list(state_dict)
    live = [name for name in state_dict if not name.startswith("enc_conv")]
    assert_identical({n: back[n] for n in live}, {n: state_dict[n] for n in live})


def test_unused_batch_norms_may_hold_anything_and_leave_as_new(make_narrow, make_state_dict):
    state_dict = make_state_dict()
    state_dict["enc_conv_1.bn.weight"] = np.full(3, np.nan, np.float64)
    del state_dict["enc_conv_2.bn.running_var"]
    back = to_reference(from_reference(state_dict, make_narrow()), make_narrow())
    for suffix, value in [("weight", 1), ("bias", 0), ("running_mean", 0), ("running_var", 1)]:
        for level in (1, 2, 3):
            array = back[f"enc_conv_{level}.bn.{suffix}"]
            np.testing.assert_array_equal(array, np.full(level + 1, value, np.float32), strict=True)
    assert back["enc_conv_1.bn.num_batches_tracked"].dtype == np.int64


def test_tree_is_the_published_interface(make_narrow, make_state_dict):
    variables = from_reference(make_state_dict(4, 2), make_narrow(4, 2))
    assert list(variables) == ["params", "batch_stats"]
    params, stats = variables["params"], variables["batch_stats"]
    assert params["encoder"]["level_1"]["mask_conv"]["kernel"].shape == (7, 7, 3, 9)
    assert params["encoder"]["level_2"]["filters"]["kernel"].shape == (5, 5, 2, 9, 3)
    assert params["encoder"]["level_2"]["filters"]["bias"].shape == (5, 5, 2, 3)
    assert params["encoder"]["level_4"]["skip"]["kernel"].shape == (1, 1, 5, 14)
    recovery = params["recovery_decoder"]
    assert set(recovery["level_1"]) == {"up", "fuse"}
    assert set(recovery["level_2"]["norm"]) == {"scale", "bias"}
    assert recovery["level_4"]["up"]["kernel"].shape == (2, 2, 14, 2, 2, 13)
    assert recovery["level_1"]["fuse"]["kernel"].shape == (3, 3, 9, 3)
    refinement = params["refinement_decoder_1"]
    assert set(refinement) == {"level_2", "level_3", "level_4", "output"}
    assert set(refinement["level_2"]["norm"]) == {"shared", "scale", "bias"}
    assert refinement["output"]["kernel"].shape == (1, 1, 11 + 3 * 2 + 6, 3)
    assert set(stats["recovery_decoder"]) == {"level_2", "level_3", "level_4"}
    norm = stats["refinement_decoder_0"]["level_2"]["norm"]["batch_norm"]
    assert (norm["count"].dtype, norm["count"].shape) == (np.int32, ())
    assert norm["mean"].shape == norm["var"].shape == (11,)


@pytest.mark.parametrize("dtype", [np.float16, "bfloat16"])
def test_half_floats_are_widened_exactly(dtype, make_narrow, make_state_dict):
    import ml_dtypes

    state_dict = make_state_dict()
    dtype = np.dtype(ml_dtypes.bfloat16 if dtype == "bfloat16" else dtype)
    half = state_dict["enc_up_1.0.bias"].astype(dtype)
    variables = from_reference(state_dict | {"enc_up_1.0.bias": half}, make_narrow())
    skip = variables["params"]["encoder"]["level_1"]
    np.testing.assert_array_equal(skip["skip"]["bias"], half.astype(np.float32), strict=True)


def _without(name):
    return lambda arrays: arrays.pop(name)


def _with(name, value):
    return lambda arrays: arrays.__setitem__(name, value)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (_without("enc_up_2.0.bias"), r"missing: 'enc_up_2.0.bias' \(12,\)$"),
        (
            _with("enc_up_2.0.extra", np.zeros(4, np.float32)),
            r"not known: 'enc_up_2.0.extra' \(4,\)",
        ),
        (
            _with("deconv_3.1.bias", np.zeros(4, np.float32)),
            r"'deconv_3.1.bias' is \(4,\), must be \(12,\)",
        ),
        (
            _with("filter_gen_2.conv1.0.weight", np.zeros((151, 9, 1, 1), np.float32)),
            r"'filter_gen_2.conv1.0.weight' is \(151, 9, 1, 1\), must be \(150, 9, 1, 1\)",
        ),
        (_with("enc_up_1.0.weight", np.zeros((0, 2, 1, 1), np.float32)), r"is \(0, 2, 1, 1\)"),
        (_with("enc_up_1.0.bias", np.full(11, np.nan, np.float32)), "'enc_up_1.0.bias' holds NaN"),
        (_with("enc_up_1.0.bias", np.full(11, np.inf, np.float32)), "'enc_up_1.0.bias' holds NaN"),
        (_with("enc_up_1.0.bias", np.zeros(11, np.int32)), "'enc_up_1.0.bias' is int32"),
        (_with("enc_up_1.0.bias", np.zeros(11)), "'enc_up_1.0.bias' is float64"),
        (_with("enc_up_1.0.bias", [0.0] * 11), "'enc_up_1.0.bias' is a list, not a tensor"),
        (_with("deconv_2.1.running_var", np.full(11, -1, np.float32)), "holds negative values"),
        (_with("deconv_2.1.num_batches_tracked", np.asarray(2**31)), "not a whole number from 0"),
        (_with("deconv_2.1.num_batches_tracked", np.asarray(-1)), "not a whole number from 0"),
    ],
)
def test_bad_tensors_are_refused_by_name(damage, message, make_narrow, make_state_dict):
    state_dict = make_state_dict()
    damage(state_dict)
    with pytest.raises(UserError, match=message):
        from_reference(state_dict, make_narrow())


def test_long_lists_of_names_are_bounded(make_narrow, make_state_dict):
    state_dict = make_state_dict()
    for name in [name for name in state_dict if name.startswith("dec_ref0_3")]:
        del state_dict[name]
    with pytest.raises(UserError, match=r"missing: .* and 1 more$") as caught:
        from_reference(state_dict, make_narrow())
    assert str(caught.value).count("dec_ref0_3") == 10


def test_a_name_with_and_without_prefix_is_refused():
    with pytest.raises(UserError, match="twice"):
        without_prefixes({"module.model.a": 1, "a": 2})


@pytest.mark.parametrize(
    ("size", "said"), [((4, 1), "4 levels, 1 ref"), ((3, 2), "3 levels, 2 ref")]
)
def test_weights_of_another_network_are_refused(size, said, make_weights):
    network = make_weights(3, 1).variables
    compare_with_network(make_weights(3, 1).variables, network)
    with pytest.raises(UserError, match=f"file has {said}.*network 3 levels, 1 ref.*not known: "):
        compare_with_network(make_weights(*size).variables, network)
