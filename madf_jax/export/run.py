"""The command `export`: loads, writes, checks, describes, and only then puts in place."""

from __future__ import annotations

import dataclasses
import os
from collections.abc import Sequence
from pathlib import Path

from madf_jax.errors import UserError
from madf_jax.export.card import Origin, make_card, read_sections
from madf_jax.export.request import Request
from madf_jax.export.scores import read_scores
from madf_jax.export.writing import write
from madf_jax.files import AnyPath, in_bucket, make_directory, system_errors, write_text
from madf_jax.inference.demo_weights import demo_weights
from madf_jax.weights import Weights, load
from madf_jax.weights.checks import error_context
from madf_jax.weights.hub import CARD, is_hub_address
from madf_jax.weights.scratch import scratch_folder

_LARGEST_CARD = 2**20  # bytes


def export(
    source: AnyPath | str | None,
    target: Path,
    request: Request,
    *,
    report: Path | None = None,
    license: str | None = None,
    force: bool = False,
) -> list[str]:
    """Exports weights with a card; nothing appears before it was checked.

    Args:
        source: what `madf_jax.weights.load` reads; None for the demo weights.
        target: of the file or folder.
        request: as what.
        report: of `eval.py` on these weights, for the card.
        license: of the weights, if they do not say.
        force: replace what is there.

    Returns:
        Lines that say what was written and what checking found.

    Raises:
        UserError: the weights or the report are no good, something is in the way, or what was
            written is wrong.
    """
    files = request.files(target)
    _check_targets(files, request, force)
    source = demo_weights() if source is None else source
    weights = _for_use(load(source), request, license)
    scores = None if report is None else read_scores(report, weights)
    origin = Origin(_sections_beside(source), scores)
    with system_errors(target), scratch_folder(target.parent) as folder:
        made = folder / target.name
        with error_context(target):
            check = write(weights, made, request)
        written = _files(folder)
        write_text(
            folder / files[-1].relative_to(target.parent),
            make_card(weights, request, target, written, check, origin),
        )
        _publish(folder, target.parent)
    size = sum(path.stat().st_size for path in _files(target)) / 1e6
    beside = [f"wrote {file}" for file in files[1:]]
    return [check, f"wrote {target}: {size:.2f} MB", *beside]


def _for_use(weights: Weights, request: Request, license: str | None) -> Weights:
    """What is painted with: the average becomes the parameters, no optimizer, no trunk."""
    metadata = dict(weights.metadata)
    if license is not None:
        metadata["license"] = license
    return dataclasses.replace(
        weights,
        params=weights.variables["params"],
        ema=None,
        adam=None,
        vgg=weights.vgg if request.format == "torch" else None,
        metadata=metadata,
    )


def _check_targets(files: Sequence[Path], request: Request, force: bool) -> None:
    target = files[0]
    make_directory(target.parent, "the directory of OUT")
    with system_errors(target):
        for file in files[: 1 if request.is_folder else None]:
            if not request.is_folder and file.is_dir():
                raise UserError(f"{file}: is a directory; --format={request.format} writes a file")
            if request.is_folder and file.exists() and not file.is_dir():
                raise UserError(f"{file}: is a file; --format={request.format} writes a folder")
            if file.exists() and not force and not (request.is_folder and not any(file.iterdir())):
                raise UserError(f"{file}: is there already; --force replaces it")


def _sections_beside(source: AnyPath | str) -> dict[str, str]:
    """What the card beside the weights passes on."""
    if is_hub_address(source) or in_bucket(path := Path(os.fspath(source))):
        return {}
    card = path / CARD if path.is_dir() else path.with_suffix(".md")
    if not card.is_file() or card.stat().st_size > _LARGEST_CARD:
        return {}
    with system_errors(card):
        return read_sections(card.read_text(encoding="utf-8", errors="replace"))


def _files(path: Path) -> list[Path]:
    if path.is_file():
        return [path]
    return sorted(file for file in path.rglob("*") if file.is_file())


def _publish(scratch: Path, parent: Path) -> None:
    """Moves files to their place; a folder that is there keeps what else is in it."""
    for made in _files(scratch):
        target = parent / made.relative_to(scratch)
        target.parent.mkdir(parents=True, exist_ok=True)
        os.replace(made, target)
