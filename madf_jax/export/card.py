"""The model card: what was exported, how it was trained, how it is used. Nothing is invented.

Facts come from the weights' metadata, from a report of `eval.py`, and from the card that stands
beside the weights; a fact that nobody has is left out.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from madf_jax.export.facts import Row, network_rows, training_rows, version_row
from madf_jax.export.request import Request
from madf_jax.export.scores import Scores
from madf_jax.export.usage import describe_format, how_to_use, wrong_input
from madf_jax.weights import Weights

PASSED_ON = ("What they score", "What they can't do")
"""Sections that a card beside the weights passes on."""

_LICENSE_ID = re.compile(r"[a-z0-9][a-z0-9.-]*")


@dataclasses.dataclass(frozen=True)
class Origin:
    """What is known of the weights beside what they say themselves.

    Attributes:
        sections: of the card beside them, by heading.
        scores: of a report of `eval.py`.
    """

    sections: Mapping[str, str]
    scores: Scores | None = None


def make_card(
    weights: Weights, request: Request, target: Path, files: Sequence[Path], check: str, of: Origin
) -> str:
    """The text of a card.

    Args:
        weights: that were exported.
        request: as what.
        target: where the user wants it.
        files: that were written, whose SHA-256 is given.
        check: what checking found.
        of: what else is known.
    """
    title = str(weights.metadata.get("title") or "A network that fills holes in images")
    rows = [
        *(_file_row(file) for file in files),
        ("format", describe_format(request, weights)),
        ("checked", check),
        *network_rows(weights.network, weights.params),
        *training_rows(weights),
        version_row(request.format),
    ]
    parts = [
        _head(weights.metadata, title, of.scores),
        f"# {title}",
        "MADF, image inpainting by mask-aware dynamic filtering and cascaded refinement "
        "([arXiv 2104.13743](https://arxiv.org/abs/2104.13743)), written by madf_jax.",
        _table(rows),
        f"## How to use it\n\n{how_to_use(request, weights, target)}",
        f"## What wrong input does\n\n{wrong_input(request, weights)}",
    ]
    scored = {PASSED_ON[0]: of.scores.table()} if of.scores else {}
    parts += [f"## {name}\n\n{text}" for name, text in {**of.sections, **scored}.items()]
    return "\n\n".join(parts) + "\n"


def read_sections(card: str) -> dict[str, str]:
    """The sections of a card that are passed on, by heading."""
    pieces = re.split(r"^## (.+)$", card, flags=re.MULTILINE)
    found = dict(zip(pieces[1::2], pieces[2::2], strict=True))
    return {name: found[name].strip() for name in PASSED_ON if name in found}


def _head(metadata: Mapping[str, Any], title: str, scores: Scores | None) -> str:
    """The YAML that the hub reads; JSON is YAML."""
    facts: dict[str, Any] = {
        **_license(metadata.get("license")),
        "library_name": "madf-jax",
        "pipeline_tag": "image-to-image",
        "tags": ["image-inpainting", "jax"],
    }
    if scores is not None:
        facts["model-index"] = scores.index(title)
    lines = (f"{key}: {json.dumps(value)}" for key, value in facts.items())
    return "\n".join(["---", *lines, "---"])


def _license(name: Any) -> dict[str, str]:
    if not isinstance(name, str) or not name:
        return {}
    if _LICENSE_ID.fullmatch(name.lower()):
        return {"license": name.lower()}
    return {"license": "other", "license_name": name}


def _file_row(file: Path) -> Row:
    content = file.read_bytes()
    digest = hashlib.sha256(content).hexdigest()
    return "file", f"`{file.name}`, {len(content) / 1e6:.2f} MB, SHA-256 `{digest}`"


def _table(rows: Sequence[Row]) -> str:
    cells = ((name, text.replace("|", "\\|").replace("\n", " ")) for name, text in rows)
    return "\n".join(["| | |", "|---|---|", *(f"| {name} | {text} |" for name, text in cells)])
