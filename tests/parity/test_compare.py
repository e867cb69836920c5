import dataclasses
import io
import json
import os
from pathlib import Path

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

pytestmark = pytest.mark.slow  # a case is recorded first


def only(*prefixes):
    return lambda key: key.startswith((*SETTINGS, *prefixes))


def compare(path, weights="rule:small", *more):
    options = ("--recorded", path, "--weights", weights, *more)
    return main(["compare", *map(str, options)])


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


def test_vgg_weights_are_never_generated(write_case, small_weights, tmp_path, capsys):
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
MISSPELT = np.asarray(
    json.dumps(
        {"layer_size": 3, "n_refinement": 1, "incremental_supervision": True, "slat": "small"}
    )
)


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
        ({"act/enc_up_9/shape": np.ones(4, int)}, "this network has no 'act/enc_up_9'"),
        ({"eval/loss/gan": np.zeros(2)}, "unknown keys, which would not be compared: 'eval/loss"),
        ({"eval/out_7": np.zeros((1, 3, 16, 24))}, "not be compared: 'eval/out_7'"),
        ({"eva1/out_0": np.zeros((1, 3, 16, 24))}, "not be compared: 'eva1/out_0'"),
        ({"act/enc_up_2/values": np.zeros(5)}, "not be compared: 'act/enc_up_2/values'"),
        ({"train/grad": np.zeros(5)}, "not be compared: 'train/grad'"),
        ({"extra": np.zeros(1)}, "not be compared: 'extra'"),
        ({"config": MISSPELT}, "'config' has unknown keys: 'slat'"),
        ({"gt": np.asarray([{}], object)}, "not a number's"),
    ],
)
def test_a_malformed_case_is_reported_in_one_line(write_case, capsys, more, message):
    assert compare(write_case(only("eval/", "act/"), **more)) == 1
    assert message in one_line(capsys)


@pytest.mark.parametrize(
    ("more", "message"),
    [
        ({"train/loss_columns": np.asarray('["gan"]')}, "loss_columns"),
        ({"train/batch_stats/x": np.zeros(1)}, "this network has no 'train/batch_stats/x'"),
        ({"train/loss_by_step": None}, "lacks 'train/loss_by_step'"),
    ],
)
def test_malformed_steps_are_reported_in_one_line(write_case, capsys, more, message):
    assert compare(write_case(only("train/loss_", "train/batch"), **more)) == 1
    assert message in one_line(capsys)


@pytest.mark.parametrize("content", [b"", b"no archive", None])
def test_a_file_that_is_not_a_case_is_reported_in_one_line(tmp_path, capsys, content):
    path = tmp_path / "case.npz"
    if content is not None:
        path.write_bytes(content)
    assert compare(path) == 1
    assert str(path) in one_line(capsys)


def test_a_truncated_case_is_reported_in_one_line(write_case, capsys):
    path = write_case()
    path.write_bytes(path.read_bytes()[:-5000])
    assert compare(path) == 1
    one_line(capsys)


def test_weights_of_another_network_are_refused(write_case, small_weights):
    case = dataclasses.replace(read_case(write_case()), depth=4)
    with pytest.raises(UserError, match=r"4 levels and 1 refinement decoders.* 3 and 1"):
        compare_case(case, small_weights, "float32")


def test_a_case_is_compared_with_the_weights_of_its_own_rule_by_default(write_case, capsys):
    path = str(write_case(only("act/filter_gen_1")))
    assert main(["compare", "--recorded", path]) == 0
    assert "note" not in capsys.readouterr().out


def test_other_weights_fail_and_those_of_the_case_are_named(write_case, capsys):
    assert compare(write_case(only("act/filter_gen_1")), "rule:other") == 1
    (note,) = [line for line in capsys.readouterr().out.splitlines() if line.startswith("note:")]
    assert "recorded with other weights than rule:other: with those of 'rule:small'" in note


def test_a_case_without_a_salt_needs_weights(write_case, capsys):
    config = {"layer_size": 3, "n_refinement": 1, "incremental_supervision": True}
    path = write_case(only("act/filter_gen_1"), config=np.asarray(json.dumps(config)))
    assert main(["compare", "--recorded", str(path)]) == 1
    assert "name them with --weights" in one_line(capsys)
    assert compare(path, "rule:small") == 0


def test_a_fifo_is_refused(tmp_path, capsys):
    os.mkfifo(tmp_path / "case.npz")
    assert compare(tmp_path / "case.npz") == 1
    assert "case.npz: is not a regular file" in one_line(capsys)


@pytest.mark.parametrize("option", ["--recorded", "--reference", "--json"])
def test_a_name_that_is_too_long_is_reported_in_one_line(option, write_case, tmp_path, capsys):
    options = {"--weights": "rule:small", option: str(tmp_path / ("x" * 300))}
    if option == "--json":
        options["--recorded"] = str(write_case())
    assert main(["compare", *(text for pair in options.items() for text in pair)]) == 1
    assert one_line(capsys).endswith(": File name too long\n")


def test_a_denied_permission_is_reported_in_one_line(write_case, monkeypatch, capsys):
    path = write_case()
    stat = Path.stat

    def denied(self, **options):
        if self == path:
            raise PermissionError(13, "Permission denied", str(self))
        return stat(self, **options)

    monkeypatch.setattr(Path, "stat", denied)
    assert compare(path) == 1
    assert one_line(capsys) == f"madf-jax: {path}: Permission denied\n"


@pytest.mark.parametrize("place", ["", "missing/", "fifo"])
def test_where_results_can_not_go_is_found_before_anything_is_compared(
    place, write_case, tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr("madf_jax.parity.compare.compare_case", None)
    if place == "fifo":
        os.mkfifo(tmp_path / "fifo")
    elif place:
        (tmp_path / "missing").write_text("a file")
        place = "missing/o.json"
    assert compare(write_case(), "rule:small", "--json", tmp_path / place) == 1
    assert "--json" in one_line(capsys)


def test_recorded_not_a_number_never_passes(write_case, small_arrays):
    key = "eval/out_0"
    assert compare(write_case(only("eval/out"), **{key: small_arrays[key] * np.nan})) == 1


def test_a_case_with_nothing_to_compare_fails(write_case, capsys):
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


def test_not_a_number_is_the_worst_deviation_and_what_is_left_out_is_none():
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
