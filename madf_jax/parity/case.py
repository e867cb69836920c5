"""Recorded cases: inputs and what the PyTorch reference computed from them, in one .npz file.

Arrays are in the reference's layout. `config`, `gt` and `mask` are required, every other part is
optional:

- `eval/out_i`, `eval/out_i/norm`, `eval/loss/TERM`, `eval/reference_loss/TERM`,
  `eval/torch_float32_relative_error`: inference. An output holds the first samples, its norm covers
  all of them.
- `act/MODULE/{shape,stats,index,value}`: the modules' outputs in inference.
- `train/out_i`, `train/out_i/norm`, `train/loss/TERM`: the same with the batch's statistics.
- `train/grad/NAME/{norm,index,value}`: gradients of the weighted total.
- `train/loss_by_step`, `train/loss_columns`, `train/batch_stats/NAME`,
  `train/param_delta_norm/NAME`: several steps of Adam on one batch.
"""

import dataclasses
import json
import os
import re
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.files import require_regular_file
from madf_jax.weights.checks import error_context, summarize_names
from madf_jax.weights.tensor_files import read_npz

TERMS = {"valid": "valid", "hole": "hole", "prc": "perceptual", "style": "style", "tv": "tv"}
"""The reference's names of the loss terms, and ours."""

_REQUIRED = ("config", "gt", "mask")
_STEPS = (
    "train/loss_by_step",
    "train/loss_columns",
    "train/batch_stats/",
    "train/param_delta_norm/",
)
_LOSSES = ("eval/loss", "eval/reference_loss", "train/loss")
_SETTINGS = {"layer_size": int, "n_refinement": int, "incremental_supervision": bool}
_OPTIONAL_SETTINGS = ("salt", "keep")
_LARGEST_SETTING = 16


@dataclasses.dataclass(frozen=True)
class Case:
    """One recorded case.

    Attributes:
        path: of its file.
        depth: levels of the encoder.
        refinements: refinement decoders.
        incremental_supervision: as in `Objective`.
        salt: of the rule that made its weights; None if the case does not name one.
        image: (N, H, W, 3), float32, ImageNet-normalized.
        mask: (N, H, W, 1), uint8, 1 = known.
        arrays: by key, in the reference's layout.
    """

    path: Path
    depth: int
    refinements: int
    incremental_supervision: bool
    salt: str | None
    image: np.ndarray
    mask: np.ndarray
    arrays: Mapping[str, np.ndarray]

    def has(self, prefix: str) -> bool:
        """Whether a key begins with `prefix`."""
        return any(key.startswith(prefix) for key in self.arrays)

    def names(self, prefix: str, known: Iterable[str]) -> list[str]:
        """What follows `prefix` in keys, up to the next slash, each once and in order.

        Raises:
            UserError: a name is not in `known`.
        """
        rests = (key[len(prefix) :] for key in self.arrays if key.startswith(prefix))
        names = list(dict.fromkeys(rest.split("/")[0] for rest in rests))
        unknown = [repr(prefix + name) for name in names if name not in known]
        if unknown:
            raise UserError(f"{self.path}: this network has no {summarize_names(unknown)}")
        return names

    def numbers(self, key: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """The array of a key as float64, or as int64 if it holds integers.

        Raises:
            UserError: it is missing, or its shape is not the expected one.
        """
        array = self.arrays.get(key)
        if array is None:
            raise UserError(f"{self.path}: the case is incomplete, it lacks {key!r}")
        if array.dtype.kind not in "iuf":
            raise UserError(f"{self.path}: {key!r} is {array.dtype}, not numbers")
        if shape is not None and array.shape != shape:
            raise UserError(f"{self.path}: {key!r} has shape {array.shape}, must be {shape}")
        return array.astype(np.float64 if array.dtype.kind == "f" else np.int64)

    def samples(self, key: str, size: int) -> tuple[np.ndarray, np.ndarray]:
        """Recorded values of a flattened array of `size` values: their indices and values.

        Raises:
            UserError: an index is out of bounds.
        """
        index = self.numbers(f"{key}/index")
        if index.dtype != np.int64 or not ((index >= 0) & (index < size)).all():
            raise UserError(f"{self.path}: {key}/index goes beyond the {size} values")
        return index, self.numbers(f"{key}/value", index.shape)

    def losses_by_step(self) -> tuple[np.ndarray, list[str]]:
        """Losses (steps, columns) and the columns' names; no rows if no step was recorded.

        Raises:
            UserError: the table is missing or malformed.
        """
        if not any(map(self.has, _STEPS)):
            return np.zeros((0, 0)), []
        table = self.numbers("train/loss_by_step")
        try:
            columns = json.loads(str(self.arrays.get("train/loss_columns")))
        except (ValueError, RecursionError):
            columns = None
        if (
            not isinstance(columns, list)
            or not all(column in (*TERMS, "total") for column in columns)
            or table.shape != (len(table), len(columns))
        ):
            raise UserError(
                f"{self.path}: 'train/loss_by_step' {table.shape} needs as many "
                f"'train/loss_columns', JSON with names of {', '.join(TERMS)}, total"
            )
        return table, columns

    @property
    def needs_steps(self) -> bool:
        """Whether a part of it takes a training step."""
        return any(map(self.has, ("train/grad/", *_STEPS)))

    @property
    def needs_vgg(self) -> bool:
        """Whether a part of it compares VGG features."""
        parts = [f"{part}/{term}" for part in _LOSSES for term in ("prc", "style")]
        return self.needs_steps or any(map(self.has, parts))


def read_case(path: str | os.PathLike[str]) -> Case:
    """Reads a case from an untrusted file.

    Raises:
        UserError: the file is not an .npz of plain arrays; a key is unknown; or its settings or
            inputs are missing, malformed or do not fit together.
    """
    path = Path(path)
    require_regular_file(path)
    arrays = read_npz(path)
    with error_context(path):
        missing = [repr(key) for key in _REQUIRED if key not in arrays]
        if missing:
            raise UserError(f"is not a recorded case, it lacks {summarize_names(missing)}")
        config = _read_config(arrays["config"])
        _check_keys(arrays, config["n_refinement"])
        image, mask = _read_inputs(arrays["gt"], arrays["mask"], 2 ** config["layer_size"])
    return Case(
        path=path,
        depth=config["layer_size"],
        refinements=config["n_refinement"],
        incremental_supervision=config["incremental_supervision"],
        salt=config.get("salt"),
        image=image,
        mask=mask,
        arrays=arrays,
    )


def _check_keys(keys: Iterable[str], refinements: int) -> None:
    """Refuses unknown keys, for what they hold would pass without being compared."""
    output = f"out_({'|'.join(map(str, range(refinements + 1)))})(/norm)?"
    term = f"({'|'.join(TERMS)})"
    patterns = (
        *_REQUIRED,
        rf"(eval|train)/({output}|loss/{term})",
        rf"eval/(reference_loss/{term}|torch_float32_relative_error)",
        r"act/[^/]+/(shape|stats|index|value)",
        r"train/grad/[^/]+/(norm|index|value)",
        r"train/(loss_by_step|loss_columns|(batch_stats|param_delta_norm)/[^/]+)",
    )
    known = re.compile("|".join(patterns))
    unknown = [repr(key) for key in keys if not known.fullmatch(key)]
    if unknown:
        raise UserError(
            f"has unknown keys, which would not be compared: {summarize_names(unknown)}; "
            "check their spelling"
        )


def _read_config(array: np.ndarray) -> dict[str, Any]:
    try:
        config = json.loads(str(array))
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise UserError("its 'config' is not a JSON object")
    for name, kind in _SETTINGS.items():
        if type(config.get(name)) is not kind:
            raise UserError(f"its 'config' needs {name!r}, {kind.__name__}")
    unknown = [repr(name) for name in config if name not in (*_SETTINGS, *_OPTIONAL_SETTINGS)]
    if unknown:
        raise UserError(f"its 'config' has unknown keys: {summarize_names(unknown)}")
    if not isinstance(config.get("salt", ""), str):
        raise UserError("its 'config' needs 'salt' to be a string")
    depth, refinements = config["layer_size"], config["n_refinement"]
    if not (3 <= depth <= _LARGEST_SETTING and 0 <= refinements <= _LARGEST_SETTING):
        raise UserError(
            f"its 'config' has layer_size {depth} and n_refinement {refinements}; "
            f"use 3 to {_LARGEST_SETTING} and 0 to {_LARGEST_SETTING}"
        )
    return config


def _read_inputs(gt: np.ndarray, mask: np.ndarray, multiple: int) -> tuple[np.ndarray, np.ndarray]:
    if gt.ndim != 4 or gt.shape[1] != 3 or gt.dtype != np.float32 or gt.size == 0:
        raise UserError(f"'gt' is {gt.dtype} {gt.shape}, must be float32 (N, 3, H, W)")
    if mask.shape != (len(gt), 1, *gt.shape[2:]):
        raise UserError(f"'mask' has shape {mask.shape}, which does not fit 'gt' {gt.shape}")
    if gt.shape[2] % multiple or gt.shape[3] % multiple:
        raise UserError(f"'gt' has sides {gt.shape[2:]}, which must be multiples of {multiple}")
    if mask.dtype.kind not in "biu" or not np.isin(mask, (0, 1)).all():
        raise UserError("'mask' must hold the integers 0 and 1")
    return gt.transpose(0, 2, 3, 1), mask.astype(np.uint8).transpose(0, 2, 3, 1)
