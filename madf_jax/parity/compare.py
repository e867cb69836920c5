"""The command `compare`: from files to a printed comparison and an exit status."""

import dataclasses
import json
from pathlib import Path

from madf_jax import __version__
from madf_jax.errors import UserError, escape
from madf_jax.files import prepare_target, require_directory, write_text, write_whole
from madf_jax.parity.case import Case, read_case
from madf_jax.parity.computed import Precision
from madf_jax.parity.deviation import Deviation, format_deviations
from madf_jax.parity.live import compare_live, draw_comparison, format_comparison, read_inputs
from madf_jax.parity.recorded import compare_case
from madf_jax.parity.rule import rule_weights
from madf_jax.weights import Weights, load
from madf_jax.weights.vgg import load_vgg

RULE = "rule:"


def compare_recorded(
    path: Path, source: str | None, vgg: Path | None, output: Path | None, *, double: bool
) -> int:
    """Compares with a recorded case and prints a line for each deviation.

    Args:
        path: of the case.
        source: of the weights: 'rule:SALT', or what `load` reads; None makes those that the case
            was recorded with.
        vgg: file of VGG-16; None uses that of the weights.
        output: file for all deviations as JSON; None writes none.
        double: compute in float64.

    Returns:
        0, or 1 if a deviation is past its tolerance.

    Raises:
        UserError: a file can't be used, they do not fit together, or the case does not say how its
            weights were made and `source` is None.
    """
    if output is not None:
        prepare_target(output, "--json")
    case = read_case(path)
    source = source if source is not None else _recorded_source(case)
    weights = _weights(source, case.depth, case.refinements)
    if vgg is not None:
        weights = dataclasses.replace(weights, vgg=load_vgg(vgg)["params"])
    precision: Precision = "float64" if double else "float32"
    deviations = compare_case(case, weights, precision)
    if not deviations:
        raise UserError(f"{path}: holds nothing to compare")
    print(format_deviations(deviations))
    passed = all(one.passed for one in deviations)
    if not passed and case.salt is not None and source != RULE + case.salt:
        print(
            f"note: the case was recorded with other weights than {escape(source)}: with those of "
            f"{escape(RULE + case.salt)!r}, which are used without --weights"
        )
    if output is not None:
        facts = {"case": str(path), "weights": source, "precision": precision}
        _write_json(output, {**facts, "version": __version__, "passed": passed}, deviations)
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
        source: of the weights: 'rule:SALT' for the published sizes, or what `load` reads.
        inputs: files of an image and a mask, or None for generated ones.
        size: side of the input, pixels.
        output: a directory, or a file that ends in .png.
        double: compute in float64.

    Returns:
        0.

    Raises:
        UserError: a file can't be used, or they do not fit together.
    """
    require_directory(directory, "--reference")
    path = output if output.suffix == ".png" else output / "comparison.png"
    prepare_target(path, "--output")
    weights = _weights(source, depth=7, refinements=2)
    comparison = compare_live(directory, weights, *read_inputs(*inputs, size), double=double)
    print(format_comparison(comparison))
    image, factor = draw_comparison(comparison)
    write_whole(path, lambda temporary: image.save(temporary, format="PNG"))
    print(f"wrote {escape(str(path))}: the difference is amplified {factor:.0e} times")
    return 0


def _recorded_source(case: Case) -> str:
    if case.salt is None:
        raise UserError(
            f"{case.path}: its 'config' has no 'salt', so its weights are unknown; name them with "
            "--weights"
        )
    return RULE + case.salt


def _weights(source: str, depth: int, refinements: int) -> Weights:
    if source.startswith(RULE):
        return rule_weights(source.removeprefix(RULE), depth, refinements)
    return load(source)


def _write_json(path: Path, facts: dict[str, object], deviations: list[Deviation]) -> None:
    rows = [
        {**dataclasses.asdict(one), "passed": one.passed, "verdict": one.verdict}
        for one in deviations
    ]
    write_text(path, json.dumps({**facts, "rows": rows}, indent=1) + "\n")
