"""`eval.py` with a manifest: the same rows again, for runs, files of weights and other programs."""

import csv
import json
import shutil

import numpy as np
import pytest
from PIL import Image

from eval import main
from madf_jax import weights
from madf_jax.__main__ import main as madf_jax
from tests.evaluation.manifests import save_images, save_mask, write

COUNT = 5


@pytest.fixture
def root(tmp_path):
    save_images(tmp_path / "images", [f"sub/{i}.png" for i in range(COUNT)])
    for i in range(3):
        save_mask(tmp_path / "masks" / f"m{i}.png", 3 + i)
    write(tmp_path, masks=tmp_path / "masks")
    return tmp_path


def run(root, name, *flags):
    """Evaluates into a directory of its own and returns the text of its rows."""
    output = root / name
    assert main([f"--manifest={root / 'test.jsonl'}", f"--output={output}", *flags]) == 0
    return (output / "evaluation.csv").read_bytes()


def report(root, name):
    return json.loads((root / name / "evaluation.json").read_text())


def rows_of(text, method):
    return [row for row in csv.DictReader(text.decode().splitlines()) if row["method"] == method]


def test_two_evaluations_of_a_manifest_have_the_same_rows_to_the_byte(root, workdir):
    first = run(root, "first", f"--workdir={workdir}")
    moved = root / "moved"
    shutil.copytree(root / "images", moved)
    second = run(
        root, "second", f"--workdir={workdir}", f"--images={moved}", "--config.evaluation.seed=9"
    )
    assert first == second
    rows = rows_of(first, "madf")
    assert [row["example"] for row in rows] == [f"sub/{i}" for i in range(COUNT)]
    assert [row["image"] for row in rows] == [f"sub/{i}.png" for i in range(COUNT)]
    found = report(root, "first")
    assert found["count"] == COUNT  # of the manifest, whatever evaluation.count says
    assert (found["size"], found["seed"], found["step"]) == (16, 3, 12)
    assert found["manifest"]["sha256"] == report(root, "second")["manifest"]["sha256"]


def test_a_changed_pixel_is_refused_by_its_files_name(root, workdir, capfd):
    path = root / "images" / "sub" / "3.png"
    pixels = np.array(Image.open(path))
    pixels[0, 0, 0] ^= 1
    Image.fromarray(pixels).save(path)
    flags = [f"--manifest={root / 'test.jsonl'}", f"--workdir={workdir}", f"--output={root}/out"]
    assert main(flags) == 1
    assert "sub/3.png: has changed since the manifest was made" in capfd.readouterr().err
    assert not (root / "out").exists()


def test_a_file_of_weights_gets_the_scores_of_its_run(root, workdir, capsys):
    file = root / "network.safetensors"
    weights.save(file, weights.load(workdir))
    by_file = run(root, "file", f"--weights={file}")
    assert "5 held-out images at step 12 (averaged weights)" in capsys.readouterr().out
    by_run = run(root, "run", f"--workdir={workdir}")
    assert rows_of(by_file, "madf") == rows_of(by_run, "madf")
    found = report(root, "file")
    assert found["weights_file"] == "network.safetensors" and len(found["weights_sha256"]) == 64


def test_ours_theirs_and_classical_methods_stand_in_one_table(root, workdir, capsys):
    made = [f"--images={root}/images", f"--masks={root}/masks", "--seed=3"]
    written = [f"--output={root}/again.jsonl", f"--export={root}/export"]
    assert madf_jax(["manifest", *made, *written]) == 0
    assert (root / "again.jsonl").read_text() == (root / "test.jsonl").read_text()
    for path in (root / "export" / "images").rglob("*.png"):
        name = path.relative_to(root / "export" / "images")
        known = np.array(Image.open(root / "export" / "masks" / name))[..., None] > 0
        result = np.where(known, np.array(Image.open(path)), 0).astype(np.uint8)
        (root / "theirs" / name).parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(result).save(root / "theirs" / name)
    text = run(root, "all", f"--workdir={workdir}", f"--results={root}/theirs")
    assert list(report(root, "all")["methods"]) == [
        *("madf", "theirs", "mean_fill", "telea", "navier_stokes")
    ]
    assert "theirs  " in capsys.readouterr().out
    alone = run(root, "alone", f"--results=black={root}/theirs")
    assert [{**row, "method": "theirs"} for row in rows_of(alone, "black")] == rows_of(
        text, "theirs"
    )
    found = report(root, "alone")
    assert (found["step"], found["weights"]) == (None, None)
    assert found["far_results"] == {"black": {}}
    with Image.open(root / "alone" / "grids" / "0000.png") as image:
        assert image.width == 7 * 192  # masked, two more methods, output, composite, original


def test_missing_results_are_named_and_nothing_is_written(root, capfd, caplog):
    shutil.copytree(root / "images", root / "theirs")
    (root / "theirs" / "sub" / "2.png").unlink()
    flags = [f"--manifest={root}/test.jsonl", f"--results={root}/theirs", f"--output={root}/out"]
    assert main(flags) == 1
    assert f"--results={root}/theirs: sub/2: there is no result" in caplog.messages
    assert "1 of 5 results can't be scored: 1 missing; each is named above" in (
        capfd.readouterr().err
    )
    assert not (root / "out").exists()


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        (["--weights=w.npz", "--output=o"], "--manifest is missing, or a --config"),
        (["--weights=w.npz", "--manifest=m.jsonl"], "--output is missing"),
        (["--weights=w.npz", "--workdir=d"], "--workdir and --weights name two networks"),
        (["--workdir=d", "--images=x"], "--images and --masks say where the files of --manifest"),
        (["--manifest=m.jsonl", "--output=o"], "--workdir is missing, or --weights or --results"),
        (["--manifest=gone.jsonl", "--results=r", "--output=o"], "--manifest=gone.jsonl: there is"),
        (["--results=r", "--output=o", "--config={config}"], "--results needs --manifest"),
        (["--weights=gone.npz", "--manifest={root}/test.jsonl", "--output=o"], "gone.npz: there"),
        (["--results=gone", "--manifest={root}/test.jsonl", "--output=o"], "gone: there is no"),
        (
            ["--results=images", "--manifest={root}/test.jsonl", "--output=images/o"],
            "is inside --results=images",
        ),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(root, monkeypatch, capfd, flags, message):
    monkeypatch.chdir(root)
    before = sorted(root.rglob("*"))
    places = {"{root}": str(root), "{config}": "configs/quickstart.py"}
    for name, place in places.items():
        flags = [flag.replace(name, place) for flag in flags]
    assert main(flags) == 1
    captured = capfd.readouterr()
    (line,) = [line for line in captured.err.splitlines() if line.startswith("eval.py: ")]
    assert message in line or "configs/quickstart.py" in line
    assert captured.out == "" and sorted(root.rglob("*")) == before


def test_a_size_that_the_network_cannot_halve_is_refused(root, workdir, capfd):
    write(root, masks=root / "masks", size=20)
    flags = [f"--manifest={root}/test.jsonl", f"--workdir={workdir}", f"--output={root}/out"]
    assert main(flags) == 1
    assert "scored at 20x20 pixels, and the network has a depth of 3: use a size that is a mul" in (
        capfd.readouterr().err
    )
