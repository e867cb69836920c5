"""The command `compare`: reads what its arguments name, prints, writes, gives the status."""

import dataclasses
import json
from pathlib import Path

from madf_jax import __version__
from madf_jax.errors import UserError
from madf_jax.files import write_text, write_whole
from madf_jax.parity.case import read_case
from madf_jax.parity.computed import Precision
from madf_jax.parity.deviation import Deviation, format_deviations
from madf_jax.parity.live import compare_live, draw_comparison, format_comparison, read_inputs
from madf_jax.parity.recorded import compare_case
from madf_jax.parity.rule import rule_weights
from madf_jax.weights import Weights, load
from madf_jax.weights.vgg import load_vgg

RULE = "rule:"


def compare_recorded(
    path: Path, source: str, vgg: Path | None, output: Path | None, *, double: bool
) -> int:
    """Compares with a recorded case and prints a row for each thing.

    Args:
        path: of the case.
        source: of the weights, 'rule:SALT' or what `load` takes.
        vgg: file of the VGG-16 trunk; None takes the one of the weights.
        output: file for all rows as JSON; None writes none.
        double: compute in float64.

    Returns:
        0, or 1 if a row is past its tolerance.

    Raises:
        UserError: a file is no good or they do not fit together.
    """
    case = read_case(path)
    weights = _weights(source, case.depth, case.refinements)
    if vgg is not None:
        weights = dataclasses.replace(weights, vgg=load_vgg(vgg)["params"])
    precision: Precision = "float64" if double else "float32"
    rows = compare_case(case, weights, precision)
    if not rows:
        raise UserError(f"{path}: holds nothing to compare")
    print(format_deviations(rows))
    if case.salt is not None and source.startswith(RULE) and source != RULE + case.salt:
        print(f"note: the case was recorded with the weights {RULE}{case.salt}")
    passed = all(row.passed for row in rows)
    if output is not None:
        facts = {"case": str(path), "weights": source, "precision": precision}
        _write_json(output, {**facts, "version": __version__, "passed": passed}, rows)
    return 0 if passed else 1


def compare_reference(
    directory: Path,
    source: str,
    inputs: tuple[Path | None, Path | None],
    size: int,
    output: Path,
    *,
    double: bool,
) -> int:
    """Compares with a checkout of the PyTorch reference; prints, and draws `comparison.png`.

    Args:
        directory: the checkout.
        source: of the weights, 'rule:SALT' for the published size, or what `load` takes.
        inputs: files of an image and a mask, or None for made-up ones.
        size: side of the input, pixels.
        output: a directory, or a file that ends in .png.
        double: compute in float64.

    Returns:
        0.

    Raises:
        UserError: a file is no good or they do not fit together.
    """
    if not directory.is_dir():
        raise UserError(f"{directory}: there is no such directory")
    weights = _weights(source, depth=7, refinements=2)
    comparison = compare_live(directory, weights, *read_inputs(*inputs, size), double=double)
    print(format_comparison(comparison))
    image, factor = draw_comparison(comparison)
    path = output if output.suffix == ".png" else output / "comparison.png"
    write_whole(path, lambda temporary: image.save(temporary, format="PNG"))
    print(f"wrote {path}: the difference is amplified {factor:.0e} times")
    return 0


def _weights(source: str, depth: int, refinements: int) -> Weights:
    if source.startswith(RULE):
        return rule_weights(source.removeprefix(RULE), depth, refinements)
    return load(source)


def _write_json(path: Path, facts: dict[str, object], rows: list[Deviation]) -> None:
    listed = [
        {**dataclasses.asdict(row), "passed": row.passed, "verdict": row.verdict} for row in rows
    ]
    write_text(path, json.dumps({**facts, "rows": listed}, indent=1) + "\n")
