import dataclasses
import typing

import numpy as np
import pytest

from madf_jax.config.options import EvaluationOptions
from madf_jax.errors import UserError
from madf_jax.evaluation import protocols
from madf_jax.evaluation.protocols import PROTOCOLS, load_metrics, set_metrics
from madf_jax.features.preparation import PREPARATIONS
from madf_jax.metrics.distributions import SET_METRICS
from madf_jax.metrics.metric import METRICS, score_batch


def options(protocol, **changes):
    return EvaluationOptions(protocol=protocol, **changes)


@pytest.fixture
def loaded(monkeypatch):
    """Which weights of LPIPS were asked for; the distance is that of means."""
    asked = []
    monkeypatch.setattr(protocols, "load_lpips", lambda *a: asked.append(a))

    class Trunk:
        def __init__(self, trunk):
            self.apply = lambda variables, x, y: abs(x.mean((1, 2, 3)) - y.mean((1, 2, 3)))

    monkeypatch.setattr(protocols, "LPIPS", Trunk)
    return asked


def test_the_protocols_are_those_of_the_key_and_all_has_every_metric():
    assert set(PROTOCOLS) == set(
        typing.get_args(typing.get_type_hints(EvaluationOptions)["protocol"])
    )
    for name, protocol in PROTOCOLS.items():
        assert set(protocol.metrics) <= set(PROTOCOLS["all"].metrics), name
        assert set(protocol.set_metrics) <= set(SET_METRICS)
    assert set(METRICS) < set(PROTOCOLS["all"].metrics)
    assert set(PROTOCOLS["all"].set_metrics) == set(SET_METRICS)


def test_preparations_of_metrics_exist():
    assert {metric.preparation for metric in SET_METRICS.values()} == set(PREPARATIONS)


@pytest.mark.parametrize("protocol", PROTOCOLS)
def test_every_protocol_scores_a_batch(protocol, loaded):
    metrics = load_metrics(options(protocol), 64)
    assert tuple(metrics) == PROTOCOLS[protocol].metrics
    generator = np.random.default_rng(0)
    x, y = generator.integers(0, 256, (2, 3, 64, 64, 3)).astype(np.uint8)
    found = score_batch(x, y, np.zeros((3, 64, 64, 1), np.uint8), metrics)
    assert all(tuple(values) == tuple(metrics) for values in found)
    assert np.isfinite([list(values.values()) for values in found]).all()


def test_weights_of_lpips_are_read_where_a_protocol_needs_them(loaded):
    load_metrics(options("basic"), 64)
    load_metrics(options("edgeconnect"), 64)
    assert loaded == []
    load_metrics(options("mat"), 64)
    load_metrics(options("lama", lpips_vgg_weights="v.pth", lpips_alex_weights="a.pth"), 64)
    assert loaded == [("alex", None), ("vgg", "v.pth")]


def test_lpips_is_the_distance_of_composites_and_originals(loaded):
    lpips = load_metrics(options("mat"), 64)["lpips_alex"]
    assert not lpips.higher_is_better and lpips.heading == "LPIPS alex"
    x, y = np.full((2, 40, 40, 3), 9, np.uint8), np.full((2, 40, 40, 3), 4, np.uint8)
    np.testing.assert_array_equal(lpips.values(x, y, None), [5, 5])


@pytest.mark.parametrize(
    ("protocol", "size", "message"),
    [
        ("edgeconnect", 50, "data.size is 50; ssim_gray51 .*'edgeconnect' needs 51 or more"),
        ("mat", 30, "lpips_alex .*'mat' needs 31"),
        ("basic", 10, "ssim .*'basic' needs 11"),
    ],
)
def test_images_too_small_for_a_metric_are_refused(protocol, size, message, loaded):
    with pytest.raises(UserError, match=message):
        load_metrics(options(protocol), size)
    load_metrics(options(protocol), size + 1)


def test_metrics_of_sets_by_protocol():
    assert list(set_metrics(options("mat"))) == ["fid_stylegan", "u_ids", "p_ids"]
    assert set_metrics(dataclasses.replace(options("mat"), protocol="basic")) == {}
