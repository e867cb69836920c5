"""`madf-jax manifest`: its flags, what it prints and what it never replaces."""

import json

import pytest

from madf_jax.__main__ import main
from tests.evaluation.manifests import save_images, save_mask

NAMES = ("a.png", "b.png")


@pytest.fixture
def root(tmp_path, monkeypatch):
    save_images(tmp_path / "images", NAMES)
    save_mask(tmp_path / "masks" / "a.png", 5)
    save_mask(tmp_path / "masks" / "b.png", 5)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def manifest(*flags, masks="lama_thin_256", output="new/test.jsonl"):
    return main(["manifest", "--images=images", f"--masks={masks}", f"--output={output}", *flags])


def test_it_writes_a_manifest_and_says_what_is_in_it(root, capsys):
    assert manifest("--share", "0.3", "0.4", "--seed=7") == 0
    printed = capsys.readouterr().out
    assert printed == "new/test.jsonl: 2 examples of 16x16: 2 of 0.3-0.4\n"
    header, *rows = map(json.loads, (root / "new" / "test.jsonl").read_text().splitlines())
    assert (header["generator"], header["seed"], header["count"]) == ("lama_thin_256", 7, 2)
    assert (header["images"], header["masks"]) == ("../images", "test.masks")
    assert all(0.3 < row["share"] <= 0.4 for row in rows)
    assert sorted(p.name for p in (root / "new" / "test.masks").iterdir()) == ["a.png", "b.png"]


def test_what_is_there_is_only_replaced_by_force(root, capsys):
    assert manifest() == 0
    before = (root / "new" / "test.jsonl").read_bytes()
    assert manifest("--seed=1") == 1
    assert "new/test.jsonl: is there already; --force replaces it" in capsys.readouterr().err
    (root / "new" / "test.jsonl").unlink()
    assert manifest("--seed=1") == 1
    assert "test.masks is not empty; --force" in capsys.readouterr().err
    assert manifest("--seed=1", "--force") == 0
    assert (root / "new" / "test.jsonl").read_bytes() != before
    assert manifest("--seed=0", "--force") == 0
    assert (root / "new" / "test.jsonl").read_bytes() == before


@pytest.mark.parametrize(
    ("flags", "message"),
    [
        ({"masks": "lama"}, "is neither a folder nor a generator; generators are strokes, lama_th"),
        ({"masks": "gs://x"}, "--masks=gs://x: only local paths"),
        ({"masks": "images/a.png"}, "--masks=images/a.png"),
        ({"output": "images"}, "--output=images: is a directory"),
        (["--size=8"], "--size=8: use a number from 16 to 8192"),
        (["--seed=-1"], "--seed=-1: use a number from 0 to 4294967295"),
        (["--count=-1"], "--count=-1"),
        (["--share", "0.5", "0.5"], "--share 0.5 0.5: use two shares above 0 and up to 1"),
        (["--share", "nan", "1"], "--share nan 1.0"),
        (["--export=images/out"], "--export=images/out: is inside --images=images"),
    ],
)
def test_a_mistake_is_one_line_and_changes_nothing(root, capsys, flags, message):
    before = {p for p in root.rglob("*") if p.is_file()}
    assert (manifest(**flags) if isinstance(flags, dict) else manifest(*flags)) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.startswith("madf-jax: ") and message in line
    assert {p for p in root.rglob("*") if p.is_file()} == before


def test_exported_examples_make_the_same_manifest_again(root):
    assert manifest("--export=out", masks="masks") == 0
    assert manifest("--count=2", masks="masks", output="direct.jsonl") == 0
    exported = ["manifest", "--images=out/images", "--masks=out/masks", "--output=again.jsonl"]
    assert main(exported) == 0

    def rows(path):
        keys = ("id", "share", "bucket", "seed")
        return [
            {key: json.loads(line)[key] for key in keys}
            for line in (root / path).read_text().splitlines()[1:]
        ]

    assert rows("again.jsonl") == rows("direct.jsonl") == rows("new/test.jsonl")
