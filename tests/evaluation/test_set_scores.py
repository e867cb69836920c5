"""FID, U-IDS and P-IDS of an evaluation, with features that need no Inception."""

import dataclasses
import json

import numpy as np
import pytest

from madf_jax.errors import UserError
from madf_jax.evaluation import feature_store, set_scores
from madf_jax.evaluation.evaluate import evaluate
from madf_jax.evaluation.evaluator import NETWORK, make_evaluator
from madf_jax.evaluation.set_scores import open_set_scores
from madf_jax.inference.classical import CLASSICAL
from madf_jax.inference.inpaint import any_image
from madf_jax.metrics.distributions import fid
from madf_jax.weights.inception import InceptionWeights
from tests.evaluation.conftest import COUNT


def pixels(images):
    """(N, 2048): pixels in place of features."""
    flat = images.reshape(len(images), -1).astype(np.float32) / 255
    return np.pad(flat, ((0, 0), (0, feature_store.FEATURES - flat.shape[1])))


@pytest.fixture
def computed(monkeypatch):
    """How many images the network saw."""
    seen = []

    def network(preparation, weights, batch_size):
        return lambda images: (seen.append(len(images)), pixels(images))[1]

    monkeypatch.setattr(feature_store, "_network", network)
    monkeypatch.setattr(set_scores, "load_inception", lambda path: InceptionWeights({}, "abc"))
    return seen


@pytest.fixture
def with_fid(setup, monkeypatch):
    """The run's config with FID alone, of images too small for LPIPS."""
    monkeypatch.setattr(
        "madf_jax.evaluation.protocols.PROTOCOLS",
        {"mat": set_scores.PROTOCOLS["mat"]._replace(metrics=("psnr",))},
    )
    options = dataclasses.replace(
        setup.evaluation, protocol="mat", inception_weights="inception.pt"
    )
    return dataclasses.replace(setup, evaluation=options)


def test_fid_is_that_of_composites_and_originals(with_fid, workdir, tmp_path, computed):
    report = evaluate(with_fid, workdir, tmp_path)
    examples = make_evaluator(with_fid, COUNT).run({"telea": any_image(CLASSICAL["telea"])}, {})
    originals, composites = [], []
    for example in examples:
        originals.append(example.image)
        composites.append(example.composites["telea"])
    expected = fid(pixels(np.stack(originals)), pixels(np.stack(composites)), ddof=0)
    assert report["methods"]["telea"]["fid_stylegan"] == pytest.approx(expected)
    assert list(report["metrics"]) == ["psnr", "fid_stylegan", "u_ids", "p_ids"]
    assert (report["protocol"], report["left_out"], report["inception"]) == ("mat", [], "abc")
    for group in report["statistics"].values():
        assert group["sets"].keys() == group["methods"].keys()
    overall = report["statistics"]["overall"]["sets"]
    assert overall[NETWORK].items() <= report["methods"][NETWORK].items()
    # What an image alone has no distribution for is null in the file.
    written = json.loads((tmp_path / "evaluation.json").read_text())
    for name, group in report["statistics"].items():
        value = written["statistics"][name]["sets"]["telea"]["fid_stylegan"]
        assert (value is None) == (group["count"] == 1)


def test_kept_features_are_not_computed_again(with_fid, workdir, tmp_path, computed):
    features = tmp_path / "features.npz"
    first = evaluate(with_fid, workdir, tmp_path / "a", features=features)
    assert sum(computed) > 0
    computed.clear()
    again = evaluate(with_fid, workdir, tmp_path / "b", features=features)
    assert computed == []
    assert again["methods"] == first["methods"]
    options = dataclasses.replace(with_fid.evaluation, inception_weights="")
    without_weights = dataclasses.replace(with_fid, evaluation=options)
    report = evaluate(without_weights, workdir, tmp_path / "c", features=features)
    assert report["methods"] == first["methods"]


def test_without_weights_metrics_of_sets_are_left_out_loudly(
    with_fid, workdir, tmp_path, log_lines
):
    options = dataclasses.replace(with_fid.evaluation, inception_weights="")
    report = evaluate(dataclasses.replace(with_fid, evaluation=options), workdir, tmp_path)
    assert report["left_out"] == ["FID stylegan", "U-IDS %", "P-IDS %"]
    assert list(report["metrics"]) == ["psnr"]
    assert any("U-IDS %, P-IDS % left out: no Inception weights" in line for line in log_lines)


def test_a_features_file_that_nothing_would_use_is_refused(setup, tmp_path):
    with pytest.raises(UserError, match="'basic' computes no features; choose one of madf, mat"):
        open_set_scores(setup.evaluation, tmp_path / "f.npz")
    assert list(tmp_path.iterdir()) == []


def test_a_place_for_features_that_cannot_be_written_is_found_first(with_fid, tmp_path, computed):
    (tmp_path / "folder").mkdir()
    with pytest.raises(UserError, match=r"--features=.*folder: is a directory"):
        open_set_scores(with_fid.evaluation, tmp_path / "folder")
