import dataclasses
import io
import json

import jax
import numpy as np
import pytest

from madf_jax.__main__ import main
from madf_jax.errors import UserError
from madf_jax.parity.case import read_case
from madf_jax.parity.deviation import Deviation, format_deviations, relative_error, worst
from madf_jax.parity.recorded import compare_case
from madf_jax.weights import save

SETTINGS = ("config", "gt", "mask")


def only(*prefixes):
    return lambda key: key.startswith((*SETTINGS, *prefixes))


def compare(path, weights="rule:small", *more):
    return main(["compare", "--recorded", str(path), "--weights", str(weights), *map(str, more)])


def changed(weights, path, factor):
    def change(keys, leaf):
        name = "/".join(key.key for key in keys)
        return leaf * np.float32(factor) if name == path else leaf

    return dataclasses.replace(
        weights, params=jax.tree_util.tree_map_with_path(change, weights.params)
    )


def test_every_part_is_compared_and_written_as_json(write_case, small_arrays, tmp_path, capsys):
    # One number of the last part is wrong, so that all parts before it must have been right.
    wrong = "train/param_delta_norm/deconv_1.0.weight"
    path = write_case(**{wrong: 1.001 * small_arrays[wrong]})
    assert compare(path, "rule:small", "--float64", "--json", tmp_path / "rows.json") == 1
    printed = capsys.readouterr().out
    assert printed.endswith(" 1 FAILED, first movement deconv_1.0.weight\n")
    content = json.loads((tmp_path / "rows.json").read_text())
    assert (content["passed"], content["precision"]) == (False, "float64")
    rows = content["rows"]
    assert len({row["group"] for row in rows}) == 9
    assert [row["name"] for row in rows if not row["passed"]] == ["deconv_1.0.weight"]
    assert [line.split()[-1] for line in printed.splitlines()[1 : 1 + len(rows)]] == [
        row["verdict"].split()[-1] for row in rows
    ]


def test_float32_passes_in_inference(write_case):
    assert compare(write_case(only("eval/", "act/"))) == 0


@pytest.mark.parametrize(
    ("path", "untouched", "touched"),
    [
        ("recovery_decoder/level_1/fuse/kernel", "deconv_1", "att_conv_1"),
        ("encoder/level_2/filters/bias", "filter_gen_2", "enc_conv_2"),
        ("refinement_decoder_0/level_2/norm/shared/bias", "att_conv_1", "dec_ref0_2"),
    ],
)
def test_a_changed_parameter_fails_by_name(
    write_case, small_weights, tmp_path, capsys, path, untouched, touched
):
    save(tmp_path / "w.npz", changed(small_weights, path, 1.001))
    assert compare(write_case(only("act/")), tmp_path / "w.npz") == 1
    lines = {line.split()[1]: line for line in capsys.readouterr().out.splitlines()[1:] if line}
    assert lines[untouched].endswith("ok")
    assert lines[touched].endswith("FAIL")


def test_parts_may_be_absent(write_case, small_weights):
    for parts, groups in (
        (("act/",), {"activation"}),
        (("eval/out_",), {"output"}),
        (("eval/loss/tv", "train/out_"), {"loss", "output in training"}),
    ):
        weights = dataclasses.replace(small_weights, vgg=None)
        rows = compare_case(read_case(write_case(only(*parts))), weights, "float32")
        assert {row.group for row in rows} == groups
        assert all(row.passed for row in rows)


def test_vgg_is_never_made_up(write_case, small_weights, tmp_path, capsys):
    case = write_case(only("eval/loss"))
    save(tmp_path / "with.safetensors", small_weights)
    save(tmp_path / "w.npz", dataclasses.replace(small_weights, vgg=None))
    assert compare(case, tmp_path / "w.npz") == 1
    assert "--vgg FILE" in one_line(capsys)
    assert compare(case, tmp_path / "w.npz", "--vgg", tmp_path / "with.safetensors") == 0


def one_line(capsys):
    captured = capsys.readouterr()
    assert captured.err.startswith("madf-jax: ")
    assert captured.err.count("\n") == 1
    assert "Traceback" not in captured.err
    return captured.err


OBJECT = np.asarray(json.dumps({"layer_size": 3, "n_refinement": 1}))


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"gt": None}, "lacks 'gt'"),
        ({"config": np.asarray("{")}, "not a JSON object"),
        ({"config": np.asarray("[" * 100_000)}, "not a JSON object"),
        ({"config": OBJECT}, "'incremental_supervision'"),
        (
            {"gt": np.zeros((1, 3, 12, 16), "f4"), "mask": np.ones((1, 1, 12, 16), "u1")},
            "multiples",
        ),
        ({"mask": np.full((2, 1, 16, 24), 2, np.uint8)}, "0 and 1"),
        ({"mask": np.ones((1, 1, 16, 24), np.uint8)}, "does not fit"),
        ({"eval/out_1": None}, "lacks 'eval/out_1'"),
        ({"eval/out_0": np.zeros((1, 3, 8, 8))}, "has shape"),
        ({"eval/loss/prc": np.zeros(3)}, "must be (2,)"),
        ({"eval/loss/prc": np.asarray("many")}, "not numbers"),
        ({"act/enc_up_2/index": None}, "lacks 'act/enc_up_2/index'"),
        ({"act/enc_up_2/index": np.full(5, 10**9)}, "goes beyond"),
        ({"act/enc_up_9/shape": np.ones(4, int)}, "'act/enc_up_9'"),
        ({"eval/loss/gan": np.zeros(2)}, "'eval/loss/gan'"),
        ({"gt": np.asarray([{}], object)}, "not a number's"),
    ],
)
def test_a_malformed_case_is_told_in_one_line(write_case, capsys, more, message):
    assert compare(write_case(only("eval/", "act/"), **more)) == 1
    assert message in one_line(capsys)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"train/loss_columns": np.asarray('["gan"]')}, "loss_columns"),
        ({"train/loss_by_step": None}, "lacks 'train/loss_by_step'"),
    ],
)
def test_malformed_steps_are_told_in_one_line(write_case, capsys, more, message):
    assert compare(write_case(only("train/loss_", "train/batch"), **more)) == 1
    assert message in one_line(capsys)


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_is_no_case_is_told_in_one_line(tmp_path, capsys, content):
    path = tmp_path / "case.npz"
    if content is not None:
        path.write_bytes(content)
    assert compare(path) == 1
    assert str(path) in one_line(capsys)


def test_a_truncated_case_is_told_in_one_line(write_case, capsys):
    path = write_case()
    path.write_bytes(path.read_bytes()[:-5000])
    assert compare(path) == 1
    one_line(capsys)


def test_weights_of_another_network_are_refused(write_case, small_weights):
    case = dataclasses.replace(read_case(write_case()), depth=4)
    with pytest.raises(UserError, match=r"4 levels and 1 refinement decoders.* 3 and 1"):
        compare_case(case, small_weights, "float32")


def test_the_wrong_salt_fails_and_the_right_one_is_named(write_case, capsys):
    assert compare(write_case(only("act/filter_gen_1")), "rule:other") == 1
    assert "rule:small" in capsys.readouterr().out


def test_recorded_not_a_number_never_passes(write_case, small_arrays):
    key = "eval/out_0"
    assert compare(write_case(only("eval/out"), **{key: small_arrays[key] * np.nan})) == 1


def test_a_case_with_nothing_in_it_is_no_success(write_case, capsys):
    assert compare(write_case(only())) == 1
    assert "nothing to compare" in one_line(capsys)


@pytest.mark.parametrize(
    ("ours", "recorded", "scale", "error"),
    [
        ([1.0, 1.0], [1.0, 0.0], None, 1.0),
        ([0.0], [0.0], None, 0.0),
        ([0.5], [0.0], None, 0.5),
        ([1.1], [1.0], 10.0, 0.01),
        ([3.0], [2.0], 1.0, 0.5),
    ],
)
def test_relative_error(ours, recorded, scale, error):
    assert relative_error(np.asarray(ours), np.asarray(recorded), scale) == pytest.approx(error)


def test_not_a_number_is_the_worst_row_and_left_out_rows_are_none():
    rows = [
        Deviation("g", "a", 1.0, 2.0),
        Deviation("g", "b", np.nan, 2.0),
        Deviation("g", "c", None, 2.0, note="why"),
    ]
    assert worst(rows)["g"].name == "b"
    assert [row.passed for row in rows] == [True, False, True]
    printed = io.StringIO(format_deviations(rows)).readlines()
    assert printed[3].rstrip().endswith("why")
    assert printed[-1] == "2 compared, 1 left out, 1 FAILED, first g b"
