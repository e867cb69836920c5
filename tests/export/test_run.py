"""The command `export`: what it writes, what its card says, and that a failure leaves nothing."""

import dataclasses
import hashlib
import json
import re

import jax
import numpy as np
import pytest
import yaml

import madf_jax
from madf_jax import weights as weight_files
from madf_jax.__main__ import main
from madf_jax.errors import UserError
from madf_jax.evaluation.provenance import hash_variables
from madf_jax.export import writing
from madf_jax.export.request import Request
from madf_jax.export.run import export
from tests.trees import assert_identical

CONFIG = {
    "data": {"source": "folder", "size": 64},
    "masks": {"source": "files"},
    "training": {"batch_size": 8, "seed": 3, "ema_decay": 0.9},
    "optimizer": {"learning_rate": 0.001},
}


@pytest.fixture
def source(make_weights, tmp_path):
    """A file of weights without any facts."""
    return weight_files.save(tmp_path / "source.safetensors", make_weights())


def card_of(path):
    _, head, body = path.read_text().split("---\n", 2)
    return yaml.safe_load(head), body


def rows_of(body):
    return dict(re.findall(r"^\| (.+?) \| (.+?) \|$", body, re.MULTILINE))


def test_weights_in_a_file_are_equal_and_keep_their_facts(make_weights, tmp_path):
    given = make_weights(step=5, metadata={"config": CONFIG, "title": "T"})
    averaged = jax.tree.map(lambda leaf: leaf + 1, given.params)
    given = dataclasses.replace(given, ema=averaged)
    path = weight_files.save(tmp_path / "w.npz", given)
    lines = export(path, tmp_path / "out.safetensors", Request("safetensors"))
    assert lines[0].startswith("read back: ") and lines[0].endswith("arrays are equal")
    found = weight_files.load(tmp_path / "out.safetensors")
    assert (found.network, found.step, found.metadata) == (given.network, 5, given.metadata)
    assert_identical(found.params, averaged)  # what inference applies
    assert found.ema is None


def test_a_card_says_what_is_known(make_weights, tmp_path):
    facts = {"config": CONFIG, "title": "Mine", "license": "CC-BY-4.0"}
    path = weight_files.save(tmp_path / "w.npz", make_weights(step=1234, metadata=facts))
    export(path, tmp_path / "out.safetensors", Request("safetensors"))
    head, body = card_of(tmp_path / "out.md")
    assert head["license"] == "cc-by-4.0" and head["pipeline_tag"] == "image-to-image"
    rows = rows_of(body)
    digest = hashlib.sha256((tmp_path / "out.safetensors").read_bytes()).hexdigest()
    assert "`out.safetensors`" in rows["file"] and digest in rows["file"]
    assert rows["step"] == "1,234" and rows["license"] == "CC-BY-4.0"
    assert rows["data"] == "folder, crops of 64x64 pixels" and rows["masks"] == "files"
    assert rows["training"].startswith("8 images per step, learning rate 0.001, averaged")
    assert madf_jax.__version__ in rows["versions"]
    assert "\n# Mine\n" in body and 'load("out.safetensors")' in body


def test_a_card_leaves_out_what_is_not_known(source, tmp_path):
    export(source, tmp_path / "out.safetensors", Request("safetensors"))
    head, body = card_of(tmp_path / "out.md")
    assert "license" not in head and "model-index" not in head
    assert set(rows_of(body)) == {"file", "format", "checked", "network", "versions"}
    assert "None" not in body and "What they score" not in body


def test_a_license_given_by_hand_goes_into_card_and_weights(source, tmp_path):
    export(source, tmp_path / "hub", Request("hub"), license="Ask me first")
    head, _ = card_of(tmp_path / "hub" / "README.md")
    assert (head["license"], head["license_name"]) == ("other", "Ask me first")
    assert weight_files.load(tmp_path / "hub").metadata["license"] == "Ask me first"


def test_a_card_beside_the_weights_passes_on_what_they_score(source, tmp_path):
    sections = ("What they score\n\n31 dB", "How\n\nno", "What they can't do\n\nfly")
    text = "".join(["---\n---\n# T\n", *(f"\n## {section}\n" for section in sections)])
    source.with_suffix(".md").write_text(text)
    export(source, tmp_path / "out.npz.safetensors", Request("safetensors"))
    _, body = card_of(tmp_path / "out.npz.md")
    assert body.endswith("## What they score\n\n31 dB\n\n## What they can't do\n\nfly\n")
    assert "no\n" not in body


def report_on(path, tmp_path, **changes):
    report = {
        "count": 64,
        "size": 128,
        "protocol": "basic",
        "metrics": {"psnr": "PSNR dB", "ssim": "SSIM"},
        "methods": {"madf": {"psnr": 28.5, "ssim": None}, "telea": {"psnr": 27.0, "ssim": 0.5}},
        "variables_sha256": hash_variables(weight_files.load(path).variables),
        **changes,
    }
    (tmp_path / "report").mkdir(exist_ok=True)
    (tmp_path / "report" / "evaluation.json").write_text(json.dumps(report))
    return tmp_path / "report"


def test_a_report_gives_scores_with_their_protocol(source, tmp_path):
    report = report_on(source, tmp_path)
    export(source, tmp_path / "out.safetensors", Request("safetensors"), report=report)
    head, body = card_of(tmp_path / "out.md")
    assert "64 images of 128x128, protocol `basic`" in body
    assert "| madf | 28.5 | - |" in body and "| telea | 27 | 0.5 |" in body
    (result,) = head["model-index"][0]["results"]
    assert [(m["type"], m["value"]) for m in result["metrics"]] == [("psnr", 28.5)]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"variables_sha256": "0" * 64}, "is a report on other weights"),
        ({"methods": {"telea": {}}}, "is no report of eval.py on a network"),
        ({"metrics": None}, "is no report of eval.py on a network"),
    ],
)
def test_another_report_is_refused(source, tmp_path, changes, message):
    report = report_on(source, tmp_path, **changes)
    with pytest.raises(UserError, match=message):
        export(source, tmp_path / "out.safetensors", Request("safetensors"), report=report)
    assert not (tmp_path / "out.safetensors").exists()


def test_a_hub_folder_loads_and_says_what_it_is(make_weights, tmp_path):
    given = make_weights(step=7, metadata={"title": "T"})
    path = weight_files.save(tmp_path / "w.npz", given)
    export(path, tmp_path / "hub", Request("hub"))
    assert sorted(file.name for file in (tmp_path / "hub").iterdir()) == [
        *("README.md", "config.json", "model.safetensors")
    ]
    config = json.loads((tmp_path / "hub" / "config.json").read_text())
    assert (config["network"]["depth"], config["step"], config["title"]) == (3, 7, "T")
    found = weight_files.load(tmp_path / "hub")
    assert_identical(found.variables, given.variables)


def test_float16_is_read_back_as_rounded(source, tmp_path):
    lines = export(source, tmp_path / "out.safetensors", Request("safetensors", dtype="float16"))
    assert "equal in float16" in lines[0]
    params = weight_files.load(source).params
    rounded = jax.tree.map(lambda leaf: leaf.astype(np.float16).astype(np.float32), params)
    assert_identical(weight_files.load(tmp_path / "out.safetensors").params, rounded)


@pytest.mark.parametrize(
    ("name", "format", "there"),
    [
        ("out.safetensors", "safetensors", "out.safetensors"),
        ("out.safetensors", "safetensors", "out.md"),
        ("hub", "hub", "hub/mine.txt"),
    ],
)
def test_what_is_there_stays_unless_forced(source, tmp_path, name, format, there):
    (tmp_path / there).parent.mkdir(exist_ok=True)
    (tmp_path / there).write_text("mine")
    with pytest.raises(UserError, match="is there already; --force replaces it"):
        export(source, tmp_path / name, Request(format))
    assert (tmp_path / there).read_text() == "mine"
    export(source, tmp_path / name, Request(format), force=True)
    weight_files.load(tmp_path / name)
    if format == "hub":
        assert (tmp_path / there).read_text() == "mine"


def test_what_fails_its_check_never_appears(source, tmp_path, monkeypatch):
    def damaged(path, weights, **options):
        raise UserError("'x' differs from what was written")

    monkeypatch.setattr(writing, "check_weights", damaged)
    before = set(tmp_path.iterdir())
    with pytest.raises(UserError, match=r"out\.safetensors: 'x' differs from what was written"):
        export(source, tmp_path / "out.safetensors", Request("safetensors"))
    assert set(tmp_path.iterdir()) == before


def test_a_check_finds_a_changed_weight(make_weights, tmp_path):
    given = make_weights()
    other = jax.tree.map(lambda leaf: leaf + 1e-3, given.params)
    weight_files.save(tmp_path / "w.safetensors", dataclasses.replace(given, params=other))
    with pytest.raises(UserError, match="differs from what was written"):
        writing.check_weights(tmp_path / "w.safetensors", given, exact=True)


@pytest.mark.slow
@pytest.mark.parametrize("uint8", [False, True])
def test_a_check_finds_a_program_of_other_weights(make_weights, tmp_path, uint8):
    given = make_weights()
    other = jax.tree.map(lambda leaf: 1.5 * leaf, given.params)
    path = tmp_path / "m.stablehlo"
    writing.write_stablehlo(dataclasses.replace(given, params=other), path, uint8=uint8)
    with pytest.raises(UserError, match="is off by"):
        writing.check_stablehlo(path, given, uint8=uint8, exact=True, parameters=None)


@pytest.mark.parametrize(
    ("format", "options", "message"),
    [
        ("hub", {"uint8": True}, "--format=hub has no --output-uint8; stablehlo, onnx have it"),
        ("torch", {"dtype": "float16"}, "--format=torch has no --dtype"),
        ("onnx", {"separate": True}, "--format=onnx has no --separate-params; stablehlo has it"),
    ],
)
def test_an_option_that_a_format_has_not_is_refused(format, options, message):
    with pytest.raises(UserError, match=re.escape(message)):
        Request(format, **options)


@pytest.mark.parametrize(
    ("name", "format", "message"),
    [
        ("out.bin", "stablehlo", r"--format=stablehlo writes \.stablehlo files"),
        ("source.safetensors", "hub", "is a file; --format=hub writes a folder"),
        ("folder.pth", "torch", "is a directory; --format=torch writes a file"),
    ],
)
def test_a_target_of_another_kind_is_refused(source, tmp_path, name, format, message):
    (tmp_path / "folder.pth").mkdir()
    with pytest.raises(UserError, match=message):
        export(source, tmp_path / name, Request(format))


@pytest.mark.slow
def test_the_command_exports_the_demo_weights(tmp_path, capsys):
    target = tmp_path / "demo.stablehlo"
    flags = ["--format", "stablehlo", "--output-uint8", "--dtype", "float16", str(target)]
    assert main(["export", *flags]) == 0
    printed = capsys.readouterr().out.splitlines()
    assert re.fullmatch(r"run: off by [01] of 255 levels from .*", printed[0])
    assert printed[1].startswith(f"wrote {target}: 5.9")
    head, body = card_of(tmp_path / "demo.md")
    assert head["license"] == "cc-by-sa-4.0" and "protocol `madf`" in body


@pytest.mark.torch
def test_the_reference_s_checkpoint_is_read_back(source, tmp_path):
    lines = export(source, tmp_path / "out.pth", Request("torch"))
    assert "arrays are equal" in lines[0]
