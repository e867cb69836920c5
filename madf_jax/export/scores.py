"""Scores for a card, from a report of `eval.py`."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from madf_jax.errors import UserError
from madf_jax.evaluation.evaluator import NETWORK
from madf_jax.evaluation.provenance import hash_variables
from madf_jax.evaluation.report import JSON
from madf_jax.files import read_json
from madf_jax.weights import Weights
from madf_jax.weights.checks import error_context


@dataclasses.dataclass(frozen=True)
class Scores:
    """Means of the network and of what it was compared with.

    Attributes:
        count: of images.
        size: their sides, pixels.
        protocol: by which they were scored.
        headings: by metric.
        methods: means by method and metric.
    """

    count: int
    size: int
    protocol: str
    headings: Mapping[str, str]
    methods: Mapping[str, Mapping[str, float | None]]

    def table(self) -> str:
        """As Markdown."""
        lines = [
            f"{self.what}, protocol `{self.protocol}`; means.",
            "",
            f"| method | {' | '.join(self.headings.values())} |",
            "|---" * (1 + len(self.headings)) + "|",
        ]
        for method, means in self.methods.items():
            cells = (_cell(means.get(metric)) for metric in self.headings)
            lines.append(f"| {method} | {' | '.join(cells)} |")
        return "\n".join(lines)

    def index(self, name: str) -> list[dict[str, Any]]:
        """The hub's `model-index` of a model of this name."""
        means = self.methods[NETWORK]
        metrics = [
            {"type": metric, "name": f"{heading}, protocol {self.protocol}", "value": means[metric]}
            for metric, heading in self.headings.items()
            if means.get(metric) is not None
        ]
        task = {"type": "image-to-image", "name": "image inpainting"}
        dataset = {"type": "images", "name": self.what}
        return [{"name": name, "results": [{"task": task, "dataset": dataset, "metrics": metrics}]}]

    @property
    def what(self) -> str:
        """What was scored."""
        return f"{self.count} images of {self.size}x{self.size}"


def read_scores(path: Path, weights: Weights) -> Scores:
    """Reads a report.

    Args:
        path: of `evaluation.json`, or its directory.
        weights: that must be those which it scored.

    Raises:
        UserError: it is no report, or of other weights.
    """
    path = path / JSON if path.is_dir() else path
    report = read_json(path, "--report")
    with error_context(path):
        try:
            scores = Scores(
                report["count"],
                report["size"],
                report["protocol"],
                dict(report["metrics"]),
                {method: dict(means) for method, means in report["methods"].items()},
            )
            digest, _ = report["variables_sha256"], scores.methods[NETWORK]
        except (KeyError, TypeError, ValueError, AttributeError):
            raise UserError("is no report of eval.py on a network") from None
        if digest != hash_variables(weights.variables):
            raise UserError("is a report on other weights than those that are exported")
    return scores


def _cell(value: float | None) -> str:
    return "-" if value is None else f"{value:.4g}"
