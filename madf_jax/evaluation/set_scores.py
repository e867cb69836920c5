"""Metrics of a whole set, of what an evaluation has painted, for any part of its examples."""

from collections import defaultdict
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
from madf_jax.weights.inception import load_inception


class SetScores:
    """Scores originals against what each method made of them.

    Args:
        metrics: by name.
        store: of the features that they need.
    """

    def __init__(self, metrics: Mapping[str, SetMetric], store: FeatureStore) -> None:
        self.metrics, self.store = metrics, store
        self._originals: list[Key] = []
        self._painted: defaultdict[str, list[Key]] = defaultdict(list)

    def add(self, example: Example) -> None:
        """Takes one example in; raises UserError where its features can't be had."""
        self._originals.append(self.store.add(example.image))
        for method, image in example.composites.items():
            self._painted[method].append(self.store.add(image))

    def score(self, places: Sequence[int]) -> dict[str, dict[str, float]]:
        """The value of each metric by method, over the examples at these places, from 0."""
        real = self._features(self._originals, places)
        return {
            method: score_sets(real, self._features(keys, places), self.metrics)
            for method, keys in self._painted.items()
        }

    def _features(self, keys: Sequence[Key], places: Sequence[int]) -> dict:
        chosen = [keys[place] for place in places]
        names = {metric.preparation for metric in self.metrics.values()}
        return {name: self.store.features(name, chosen) for name in names}


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
