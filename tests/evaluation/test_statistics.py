import math

import pytest

from madf_jax.evaluation.scored import Scored
from madf_jax.evaluation.statistics import bucket_of, group_by_share, summarize_group
from madf_jax.evaluation.tables import format_statistics


@pytest.mark.parametrize(
    ("share", "bucket"),
    [
        (0.0, None),
        (0.01, None),
        (0.0101, "0.01-0.1"),
        (0.1, "0.01-0.1"),
        (0.100001, "0.1-0.2"),
        (0.6, "0.5-0.6"),
        (0.61, None),
        (1.0, None),
    ],
)
def test_a_bucket_holds_its_upper_end(share, bucket):
    assert bucket_of(share) == bucket


def test_groups_are_in_order_and_only_those_with_examples():
    assert group_by_share([0.55, 0.05, 0.15, 0.7, 0.06]) == {
        "overall": [0, 1, 2, 3, 4],
        "0.01-0.1": [1, 4],
        "0.1-0.2": [2],
        "0.5-0.6": [0],
    }


def scored(values):
    """Of two methods; the second's PSNR is lower by one, and its L1 higher."""
    return [
        Scored(
            0,
            "",
            "",
            "",
            0.2,
            {"ours": {"psnr": v, "l1": 1.0}, "theirs": {"psnr": v - 1, "l1": 2.0}},
        )
        for v in values
    ]


BETTER = {"psnr": True, "l1": False}


def test_a_group_has_estimates_and_compares_the_first_method_with_the_others():
    found = summarize_group(scored([20.0, 30.0, math.inf]), BETTER)
    assert found["count"] == 3
    assert found["methods"]["ours"]["psnr"]["mean"] == 25
    assert found["methods"]["ours"]["psnr"]["images"] == 2
    assert found["methods"]["theirs"]["l1"]["mean"] == 2
    assert list(found["comparisons"]) == ["theirs"]
    psnr = found["comparisons"]["theirs"]["psnr"]
    assert (psnr["difference"], psnr["won"], psnr["lost"]) == pytest.approx((1, 2 / 3, 0))
    assert found["comparisons"]["theirs"]["l1"]["won"] == 1


def test_the_order_of_examples_does_not_change_a_mean():
    values = [1e16, 1.0, -1e16, 20.0]
    one, other = (summarize_group(scored(order), BETTER) for order in (values, values[::-1]))
    means = [group["methods"]["ours"]["psnr"]["mean"] for group in (one, other)]
    assert means[0] == means[1] == 21 / 4


def test_the_text_has_a_table_for_each_group():
    group = summarize_group(scored([20.0, 30.0]), BETTER)
    single = summarize_group(scored([20.0]), BETTER)
    report = {
        "protocol": "mat",
        "count": 2,
        "step": 7,
        "weights": "averaged",
        "left_out": ["U-IDS %"],
        "metrics": {"psnr": "PSNR dB", "l1": "L1 %", "fid_clean": "FID clean"},
        "statistics": {
            "overall": {**group, "sets": {"ours": {"fid_clean": 12.5}}},
            "0.1-0.2": {**single, "sets": {}},
        },
    }
    text = format_statistics(report)
    assert text.startswith("Protocol mat, 2 images at step 7 (averaged weights)\n")
    without_network = format_statistics({**report, "step": None, "weights": None})
    assert without_network.startswith("Protocol mat, 2 images\n")
    assert "U-IDS %" in text.splitlines()[2]
    overall, bucket = text.split("== ")[1:]
    assert overall.startswith("all images: 2 images") and "12.5000" in overall
    assert bucket.startswith("hole share 0.1-0.2: 1 images")
    (row,) = [line for line in overall.splitlines() if line.startswith("theirs        PSNR dB")]
    assert row.split()[3:] == ["24.0000", "5.0000", "19.0000", "29.0000", "2"]
    (row,) = [line for line in overall.splitlines() if line.startswith("theirs            PSNR dB")]
    assert row.split()[3:] == ["1.0000", "1.0000", "1.0000", "100.0", "0.0"]
