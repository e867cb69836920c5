import csv
import dataclasses
import io
import json
import math

import numpy as np
import pytest

from madf_jax.evaluation.evaluator import Example
from madf_jax.evaluation.grids import draw_example, image_rows, preview
from madf_jax.evaluation.report import format_report, format_table, to_csv, to_json
from madf_jax.evaluation.scored import Scored

METRICS = ("psnr", "ssim", "l1", "hole_l1")
HEADINGS = dict(zip(METRICS, ("PSNR dB", "SSIM", "L1 %", "a very long heading"), strict=True))
METHODS = ("madf", "telea")


def scores(psnr, others=1.0):
    return {
        method: dict(zip(METRICS, (psnr + i, others, others, others), strict=True))
        for i, method in enumerate(METHODS)
    }


def make_example(index=0, *, size=16, names=("a.png", "m.png"), psnr=20.0):
    """A gray image whose composites are 10 and 20, and whose painted images 30 and 40."""
    levels = (10, 20, 30, 40, 99)
    images = [np.full((size, size, 3), level, np.uint8) for level in levels]
    return Example(
        index,
        str(index),
        *names,
        image=images[4],
        mask=np.zeros((size, size, 1), np.uint8),
        painted=dict(zip(METHODS, images[2:4], strict=True)),
        composites=dict(zip(METHODS, images[:2], strict=True)),
        scores=scores(psnr),
    )


def test_a_number_that_is_not_finite_is_null_in_the_file():
    methods = {"madf": {"psnr": math.nan, "ssim": 1.0}}
    written = json.loads(to_json({"methods": methods, "a": {"b": [{"c": math.inf}]}, "step": 7}))
    assert written["methods"] == {"madf": {"psnr": None, "ssim": 1.0}}
    assert (written["a"], written["step"]) == ({"b": [{"c": None}]}, 7)


def test_the_csv_file_has_a_row_for_each_example_and_method_with_their_names():
    examples = [make_example(i, names=(f"{i}.png", f"{i}_mask.png"), psnr=20.5) for i in range(3)]
    header, *rows = csv.reader(io.StringIO(to_csv(map(Scored.of, examples), METRICS)))
    assert header == ["example", "image", "mask", "method", *METRICS]
    assert [row[:4] for row in rows] == [
        [str(i), f"{i}.png", f"{i}_mask.png", method] for i in range(3) for method in METHODS
    ]
    assert float(rows[3][4]) == 21.5


def test_a_name_of_any_bytes_comes_back_from_the_csv_file():
    name = 'a,"b\n\udcff.png'
    text = to_csv([Scored.of(make_example(names=(name, "日本.png")))], METRICS)
    row = list(csv.reader(io.StringIO(text.encode().decode())))[1]
    assert row[1:3] == ['a,"b\n\\udcff.png', "日本.png"]


def test_the_table_has_a_row_a_method():
    header, *rows = format_table(scores(20.0), HEADINGS).splitlines()
    assert header.split()[:3] == ["method", "PSNR", "dB"]
    assert [row.split()[:2] for row in rows] == [["madf", "20.000"], ["telea", "21.000"]]
    assert header.split("  ")[-1] == "a very long heading"
    assert len({len(line) for line in (header, *rows)}) == 1


def test_what_is_printed_names_step_weights_and_files(tmp_path):
    report = {"count": 2, "step": 7, "weights": "averaged", "methods": scores(20.0)}
    report |= {"identical": {"madf": 0, "telea": 1}, "protocol": "mat", "metrics": HEADINGS}
    report["left_out"] = ["FID"]
    files = ["evaluation.json", "evaluation.csv", "evaluation.txt"]
    text = format_report({**report, "files": files}, tmp_path / "a\x1b")
    assert "2 held-out images at step 7 (averaged weights), protocol mat:" in text
    assert "FID left out: no Inception weights" in text
    assert f"{tmp_path}/a\\x1b/evaluation.csv" in text and "\x1b" not in text
    assert "telea: 1 of 2 composites equal the original" in text and "madf: 0" not in text
    assert "grids" not in text
    grids = [f"grids/000{i}.png" for i in range(2)]
    text = format_report({**report, "files": [*files, *grids]}, tmp_path)
    assert f"2 image grids: {tmp_path}/grids/0000.png to 0001.png" in text


@pytest.mark.parametrize(("size", "factor"), [(16, 12), (512, 1)])
def test_small_images_are_enlarged_by_whole_pixels(size, factor):
    row = draw_example(make_example(size=size), "madf")
    # Masked, the other method, output, composite, original; below two lines of labels.
    assert row.size == (5 * size * factor, size * factor + 32)
    middles = [(2 * tile + 1) * size * factor // 2 for tile in range(5)]
    assert [row.getpixel((x, row.height - 1))[0] for x in middles] == [128, 20, 30, 10, 99]


def test_a_grid_does_not_depend_on_what_was_scored():
    """A protocol without PSNR gets the same labels."""
    example = make_example()
    unscored = dataclasses.replace(example, scores={})
    grids = [np.asarray(draw_example(e, "madf")) for e in (example, unscored)]
    np.testing.assert_array_equal(*grids)


def title(**options):
    return np.asarray(draw_example(make_example(**options), "madf"))[:16]


def test_the_names_of_image_and_mask_stand_above_a_grid():
    first = title(names=("cat.png", "m.png"))
    assert (first != title(names=("dog.png", "m.png"))).any()
    assert (first != title(names=("cat.png", "n.png"))).any()
    assert (first == title(names=("cat.png", "m.png"), psnr=30.0)).all()


@pytest.mark.parametrize("name", ["two\nlines.png", "日本.png", "\udcff\x1b.png", "x" * 300])
def test_any_name_can_be_drawn(name):
    """On one line: the labels below are those of any other name."""
    row, other = (np.asarray(draw_example(make_example(names=(n, n)), "madf")) for n in (name, "a"))
    np.testing.assert_array_equal(row[20:], other[20:])


def test_a_preview_has_a_row_for_each_example():
    grid = preview([make_example(), make_example(psnr=30.0)], "madf")
    assert grid.shape == (2 * 16, 4 * 16, 3)
    assert grid[20, ::16, 0].tolist() == [128, 30, 10, 99]


def test_image_rows_set_batches_side_by_side():
    left, right = np.zeros((2, 3, 4, 3), np.uint8), np.ones((2, 3, 4, 3), np.uint8)
    left[1] = 5
    rows = image_rows(left, right)
    assert rows.shape == (6, 8, 3)
    assert [rows[y, x, 0] for y, x in ((0, 0), (0, 4), (3, 0), (5, 7))] == [0, 1, 5, 1]
