"""Metrics of a whole set, of what an evaluation has painted, for any part of its examples."""

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from absl import logging

from madf_jax.config.options import EvaluationOptions
from madf_jax.errors import UserError
from madf_jax.evaluation.evaluator import Example
from madf_jax.evaluation.feature_store import FeatureStore, Key, read_features
from madf_jax.evaluation.protocols import PROTOCOLS, set_metrics
from madf_jax.files import prepare_target
from madf_jax.metrics.distributions import SetMetric, score_sets
from madf_jax.processes import gather
from madf_jax.weights.inception import load_inception


class SetScores:
    """Scores originals against what each method made of them.

    Args:
        metrics: by name.
        store: of the features that they need.
    """

    def __init__(self, metrics: Mapping[str, SetMetric], store: FeatureStore) -> None:
        self.metrics, self.store = metrics, store
        self._keys: dict[int, tuple[Key, dict[str, Key]]] = {}

    def add(self, example: Example) -> None:
        """Takes one example in; raises UserError where its features can't be had."""
        original = self.store.add(example.image)
        painted = {method: self.store.add(image) for method, image in example.composites.items()}
        self._keys[example.index] = original, painted

    def exchange(self) -> None:
        """Makes what any process has added known to all of them; all must call it."""
        self.store.exchange()
        own = {
            index: (original.hex(), {method: key.hex() for method, key in painted.items()})
            for index, (original, painted) in self._keys.items()
        }
        for text in gather(json.dumps(own)):
            for index, (original, painted) in json.loads(text).items():
                keys = {method: bytes.fromhex(key) for method, key in painted.items()}
                self._keys[int(index)] = bytes.fromhex(original), keys

    def score(self, places: Sequence[int]) -> dict[str, dict[str, float]]:
        """The value of each metric by method, over the examples of these indices."""
        originals, painted = zip(*(self._keys[place] for place in places), strict=True)
        real = self._features(originals)
        return {
            method: score_sets(
                real, self._features([keys[method] for keys in painted]), self.metrics
            )
            for method in painted[0]
        }

    def _features(self, keys: Sequence[Key]) -> dict:
        names = {metric.preparation for metric in self.metrics.values()}
        return {name: self.store.features(name, keys) for name in names}


def open_set_scores(options: EvaluationOptions, features: Path | None) -> SetScores | None:
    """What a protocol needs for its metrics of sets; None if there are none to compute.

    Args:
        options: which protocol, and where Inception's weights are.
        features: a file to read features from, if it is there, and to keep them in.

    Raises:
        UserError: the weights or the file can't be used, or a file is named for nothing.
    """
    metrics = set_metrics(options)
    if not metrics:
        if features is not None:
            protocols = ", ".join(name for name, p in PROTOCOLS.items() if p.set_metrics)
            raise UserError(
                f"--features={features}: evaluation.protocol={options.protocol!r} computes no "
                f"features; choose one of {protocols}"
            )
        return None
    kept = None
    if features is not None:
        prepare_target(features, "--features")
        kept = read_features(features) if features.exists() else None
    if not options.inception_weights and kept is None:
        logging.warning(
            "%s left out: no Inception weights; name a file with "
            "--config.evaluation.inception_weights=FILE (docs/evaluation.md)",
            ", ".join(metric.heading for metric in metrics.values()),
        )
        return None
    weights = load_inception(options.inception_weights) if options.inception_weights else None
    preparations = sorted({metric.preparation for metric in metrics.values()})
    return SetScores(metrics, FeatureStore(preparations, weights, kept, options.batch_size))
