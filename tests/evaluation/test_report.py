import csv
import json
import math

import numpy as np
import pytest
from PIL import Image

from madf_jax.evaluation.report import (
    draw_example,
    format_table,
    image_rows,
    summarize,
    write_grids,
    write_summary,
)
from madf_jax.evaluation.scoring import METHODS, Example

METRICS = ("psnr", "ssim", "l1", "hole_l1")


def scores(psnr, others=1.0):
    return {
        method: dict(zip(METRICS, (psnr + i, others, others, others), strict=True))
        for i, method in enumerate(METHODS)
    }


def test_summary_holds_means_by_method_and_the_facts():
    summary = summarize([scores(20.0, 0.5), scores(30.0, 1.0)], {"step": 7})
    assert summary.keys() == {"methods", "count", "identical", "step"}
    assert (summary["count"], summary["step"]) == (2, 7)
    assert tuple(summary["methods"]) == METHODS
    for index, method in enumerate(METHODS):
        assert summary["methods"][method] == {
            "psnr": 25.0 + index,
            "ssim": 0.75,
            "l1": 0.75,
            "hole_l1": 0.75,
        }


def test_identical_images_are_counted_apart():
    summary = summarize([scores(math.inf), scores(30.0)], {})
    assert summary["identical"] == dict.fromkeys(METHODS, 1)
    assert summary["methods"]["madf"]["psnr"] == 30
    assert summary["count"] == 2


def test_a_mean_that_is_not_a_number_is_null_in_the_file(tmp_path):
    all_scores = [scores(math.inf)]
    write_summary(tmp_path, summarize(all_scores, {}), all_scores)
    written = json.loads((tmp_path / "evaluation.json").read_text())
    assert written["methods"]["madf"]["psnr"] is None
    assert written["methods"]["madf"]["ssim"] == 1


def test_files_hold_the_summary_and_a_row_for_each_example_and_method(tmp_path):
    all_scores = [scores(20.0), scores(30.0), scores(40.0)]
    summary = summarize(all_scores, {"size": 64})
    write_summary(tmp_path, summary, all_scores)
    assert json.loads((tmp_path / "evaluation.json").read_text()) == summary
    with (tmp_path / "evaluation.csv").open() as file:
        header, *rows = csv.reader(file)
    assert header == ["example", "method", *METRICS]
    assert [(int(row[0]), row[1]) for row in rows] == [(i, m) for i in range(3) for m in METHODS]
    assert float(rows[4][2]) == 30
    assert sorted(path.name for path in tmp_path.iterdir()) == ["evaluation.csv", "evaluation.json"]


def test_grids_take_the_place_of_those_before_and_of_nothing_else(tmp_path):
    rows = [Image.new("RGB", (4, 4), (i, 0, 0)) for i in range(3)]
    write_grids(tmp_path / "grids", rows)
    (tmp_path / "grids" / "mine.png").touch()
    write_grids(tmp_path / "grids", rows[2:])
    assert sorted(p.name for p in (tmp_path / "grids").iterdir()) == ["0000.png", "mine.png"]
    with Image.open(tmp_path / "grids" / "0000.png") as image:
        assert image.getpixel((0, 0)) == (2, 0, 0)


def test_the_table_has_a_row_a_method():
    header, *rows = format_table(summarize([scores(20.0)], {})).splitlines()
    assert header.split()[:3] == ["method", "PSNR", "dB"]
    assert [row.split()[:2] for row in rows] == [
        [method, f"{20 + i:.3f}"] for i, method in enumerate(METHODS)
    ]


@pytest.mark.parametrize(("size", "factor"), [(16, 12), (512, 1)])
def test_small_images_are_enlarged_by_whole_pixels(size, factor):
    image = np.full((size, size, 3), 99, np.uint8)
    example = Example(
        image=image,
        mask=np.zeros((size, size, 1), np.uint8),
        output=image,
        composites=dict.fromkeys(METHODS, image),
        scores=scores(20.0),
    )
    row = draw_example(example)
    # Masked, three classical fillings, output, composite, original; below a line of labels.
    assert row.size == (7 * size * factor, size * factor + 16)
    masked, last = (np.asarray(row)[-1, x] for x in (0, -1))
    np.testing.assert_array_equal(masked, [128] * 3)
    np.testing.assert_array_equal(last, [99] * 3)


def test_image_rows_set_batches_side_by_side():
    left, right = np.zeros((2, 3, 4, 3), np.uint8), np.ones((2, 3, 4, 3), np.uint8)
    left[1] = 5
    rows = image_rows(left, right)
    assert rows.shape == (6, 8, 3)
    assert [rows[y, x, 0] for y, x in ((0, 0), (0, 4), (3, 0), (5, 7))] == [0, 1, 5, 1]
