"""Weights from one kind of file or directory to another: load and save."""

import dataclasses

import jax

from madf_jax.errors import UserError
from madf_jax.files import any_path
from madf_jax.weights.entry import PathLike, check_target, is_run, load, save
from madf_jax.weights.model import Weights
from madf_jax.weights.tensor_files import TORCH_SUFFIXES


def convert(
    source: PathLike,
    target: PathLike,
    *,
    prefixes: bool = False,
    ema: bool = False,
    optimizer: bool = True,
    half: bool = False,
    force: bool = False,
) -> list[str]:
    """Converts.

    Args:
        source: what `load` takes.
        target: what `save` takes.
        prefixes: as in `save`.
        ema: write the averaged parameters as the model, without the optimizer's state.
        optimizer: convert the optimizer's state, too, if there is one.
        half: as in `save`.
        force: as in `save`.

    Returns:
        Lines that say what was read, left out and written.

    Raises:
        UserError: the source is no good, the target exists or its kind is not known, or the
            options do not fit.
    """
    source = any_path(source)
    target = check_target(target, prefixes=prefixes, half=half, force=force)
    weights = load(source, optimizer=optimizer and not ema and not half)
    lines = [f"read {source}: {_summarize(weights)}"]
    if ema:
        if weights.ema is None:
            raise UserError(f"{source}: keeps no averaged weights; leave --ema out")
        weights = dataclasses.replace(weights, params=weights.ema, ema=None)
        lines.append("the averaged weights become the model; Adam's moments are left out")
    elif weights.ema is not None:
        torch = target.suffix.lower() in TORCH_SUFFIXES
        lines.append(_explain_average("model" if torch else "params", torch))
    if weights.vgg is not None and is_run(target):
        weights = dataclasses.replace(weights, vgg=None)
        lines.append("left out: the VGG-16 trunk, for which a run's checkpoint has no place")
    if half:
        lines.append("parameters become float16")
    written = save(target, weights, prefixes=prefixes, half=half, force=force)
    return [*lines, f"wrote {written}: {_summarize(weights)}"]


def _explain_average(trained: str, torch: bool) -> str:
    line = (
        f"both are kept: '{trained}' as trained, from which training goes on, and 'ema', their "
        "average, which evaluation scores and inference uses here"
    )
    remedy = "; the PyTorch reference uses 'model': --ema writes the average there"
    return line + (remedy if torch else "")


def _summarize(weights: Weights) -> str:
    moments = () if weights.adam is None else (weights.adam.mu, weights.adam.nu)
    trees = (weights.trained_variables, weights.ema, weights.vgg, *moments)
    arrays = sum(len(jax.tree.leaves(tree)) for tree in trees)
    parameters = sum(leaf.size for leaf in jax.tree.leaves(weights.params))
    has = {"Adam": weights.adam, "average": weights.ema, "VGG": weights.vgg}
    parts = ", ".join(f"{name} {'no' if it is None else 'yes'}" for name, it in has.items())
    step = "unknown" if weights.step is None else weights.step
    return f"{arrays} arrays, {parameters:,} parameters, step {step}, {parts}"
