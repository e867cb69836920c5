import math

import numpy as np
import pytest
from scipy import linalg
from sklearn.svm import LinearSVC

from madf_jax.metrics.distributions import (
    SET_METRICS,
    fid,
    inception_discriminative,
    score_sets,
)


def features(count, width=24, seed=0, shift=0.0):
    """Correlated, positive features, as Inception's are."""
    generator = np.random.default_rng(seed)
    mixing = np.random.default_rng(99).standard_normal((width, width))
    values = generator.standard_normal((count, width)) @ mixing + shift
    return np.maximum(values, 0).astype(np.float32)


def fid_by_eigenvalues(x, y, ddof):
    """The formula as torchmetrics computes it: the eigenvalues of the product."""
    mean_x, mean_y = x.mean(0, dtype=np.float64), y.mean(0, dtype=np.float64)
    cov_x, cov_y = np.cov(x, rowvar=False, ddof=ddof), np.cov(y, rowvar=False, ddof=ddof)
    roots = np.sqrt(linalg.eigvals(cov_x @ cov_y).astype(complex)).real.sum()
    return np.sum((mean_x - mean_y) ** 2) + np.trace(cov_x) + np.trace(cov_y) - 2 * roots


@pytest.mark.parametrize("ddof", [0, 1])
@pytest.mark.parametrize("counts", [(300, 300), (25, 40), (10, 300), (10, 7), (2, 2)])
def test_fid_equals_the_formula_also_with_fewer_images_than_features(counts, ddof):
    x, y = features(counts[0]), features(counts[1], seed=1, shift=0.4)
    expected = fid_by_eigenvalues(x, y, ddof)
    assert fid(x, y, ddof) == pytest.approx(expected, rel=1e-5)
    assert fid(y, x, ddof) == pytest.approx(fid(x, y, ddof), rel=1e-9)


@pytest.mark.parametrize("count", [10, 100])
def test_fid_of_a_set_with_itself_is_zero(count):
    x = features(count)
    assert fid(x, x) == pytest.approx(0, abs=1e-9)
    assert fid(x, x[::-1]) == pytest.approx(0, abs=1e-9)


def test_fid_of_a_shifted_set_is_the_squared_shift():
    x = features(50)
    assert fid(x, x + 2) == pytest.approx(x.shape[1] * 4, rel=1e-6)


def test_fid_of_two_lines_in_closed_form():
    """One feature: (m - n)^2 + (s - t)^2."""
    x, y = np.asarray([[0.0], [2.0]]), np.asarray([[1.0], [7.0]])
    assert fid(x, y, ddof=0) == pytest.approx(3**2 + (1 - 3) ** 2)
    assert fid(x, y, ddof=1) == pytest.approx(3**2 + 2 * (1 - 3) ** 2)


@pytest.mark.parametrize("count", [60, 12])
def test_discriminative_scores_are_those_of_the_published_recipe(count):
    real, painted = features(count), features(count, seed=1, shift=0.2)
    classifier = LinearSVC(dual=False)
    inputs = np.concatenate([real, painted])
    targets = np.asarray([1] * count + [0] * count)
    classifier.fit(inputs, targets)
    unpaired = 1 - classifier.score(inputs, targets)
    paired = np.mean(classifier.decision_function(painted) > classifier.decision_function(real))
    found = inception_discriminative(real, painted)
    assert found.unpaired == pytest.approx(100 * unpaired, abs=1e-9)
    assert found.paired == pytest.approx(100 * paired, abs=1e-9)


def test_sets_that_are_the_same_fool_the_classifier():
    real = features(30)
    assert inception_discriminative(real, real) == (50, 0)


def test_pairs_need_as_many_painted_images():
    with pytest.raises(ValueError, match="got 30 originals and 29"):
        inception_discriminative(features(30), features(29))


def test_scores_of_sets_take_their_own_preparation_and_share_the_classifier(monkeypatch):
    real = {"clean": features(30), "stylegan": features(30, seed=2)}
    painted = {"clean": features(30, seed=3), "stylegan": features(30, seed=4)}
    fits = []
    fit = LinearSVC.fit
    monkeypatch.setattr(LinearSVC, "fit", lambda *a: (fits.append(1), fit(*a))[1])
    names = ("fid_clean", "fid_stylegan", "u_ids", "p_ids")
    found = score_sets(real, painted, {name: SET_METRICS[name] for name in names})
    assert len(fits) == 1
    unpaired, paired = inception_discriminative(real["stylegan"], painted["stylegan"])
    assert found == {
        "fid_clean": fid(real["clean"], painted["clean"]),
        "fid_stylegan": fid(real["stylegan"], painted["stylegan"], ddof=0),
        "u_ids": unpaired,
        "p_ids": paired,
    }


def test_one_image_has_no_distribution():
    one = {"clean": features(1)}
    found = score_sets(one, one, {"fid_clean": SET_METRICS["fid_clean"]})
    assert math.isnan(found["fid_clean"])
    with pytest.raises(ValueError, match="two images or more"):
        fid(one["clean"], features(5))
