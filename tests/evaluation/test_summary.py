import math

import pytest

from madf_jax.evaluation.summary import Summary

METRICS = ("psnr", "ssim", "l1", "hole_l1")


def scores(psnr, others=1.0):
    """Of two methods, whose PSNR differs by one."""
    return {
        method: dict(zip(METRICS, (psnr + i, others, others, others), strict=True))
        for i, method in enumerate(("ours", "theirs"))
    }


def test_the_summary_holds_means_by_method():
    found = Summary().update(scores(20.0, 0.5)).update(scores(30.0, 1.0)).compute()
    assert found["methods"] == {
        method: {"psnr": 25.0 + i, "ssim": 0.75, "l1": 0.75, "hole_l1": 0.75}
        for i, method in enumerate(("ours", "theirs"))
    }
    assert list(found["methods"]) == ["ours", "theirs"]
    assert found["count"] == 2


def test_identical_images_are_counted_apart():
    found = Summary().update(scores(math.inf)).update(scores(30.0)).compute()
    assert found["identical"] == {"ours": 1, "theirs": 1}
    assert found["methods"]["ours"]["psnr"] == 30
    assert found["count"] == 2


def test_an_empty_summary_changes_nothing():
    some = Summary().update(scores(20.0))
    assert Summary().merge(some) == some.merge(Summary()) == some


def test_other_methods_do_not_merge():
    with pytest.raises(KeyError):
        Summary().update(scores(1.0)).update({"ours": scores(1.0)["ours"], "another": {}})
