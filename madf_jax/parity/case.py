"""Recorded cases: inputs and what the PyTorch reference computed from them, in one .npz file.

Every part but `config`, `gt` and `mask` is optional:

- `eval/out_i`, `eval/out_i/norm`, `eval/loss/TERM`, `eval/reference_loss/TERM`,
  `eval/torch_float32_relative_error`: inference. An output holds the first samples, its norm all.
- `act/MODULE/{shape,stats,index,value}`: what modules put out in inference.
- `train/out_i`, `train/loss/TERM`: the same with the batch's statistics.
- `train/grad/NAME/{norm,index,value}`: gradients of the weighted total.
- `train/loss_by_step`, `train/loss_columns`, `train/batch_stats/NAME`,
  `train/param_delta_norm/NAME`: several steps of Adam on one batch.
"""

import dataclasses
import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from madf_jax.errors import UserError
from madf_jax.weights.checks import error_context, summarize_names
from madf_jax.weights.tensor_files import read_npz

# Their names there and here.
TERMS = {"valid": "valid", "hole": "hole", "prc": "perceptual", "style": "style", "tv": "tv"}
_MOST = 16


@dataclasses.dataclass(frozen=True)
class Case:
    """One recorded case.

    Attributes:
        path: of its file.
        depth: levels of the encoder.
        refinements: refinement decoders.
        incremental_supervision: as in the objective.
        salt: of the rule that made its weights; None if it does not say.
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
        """Whether a key begins so."""
        return any(key.startswith(prefix) for key in self.arrays)

    def entries(self, prefix: str) -> list[str]:
        """What follows `prefix` in keys, up to the next slash, each once and in order."""
        rests = (key[len(prefix) :] for key in self.arrays if key.startswith(prefix))
        return list(dict.fromkeys(rest.split("/")[0] for rest in rests))

    def numbers(self, key: str, shape: tuple[int, ...] | None = None) -> np.ndarray:
        """The array of a key as float64, or as int64 if it holds integers.

        Raises:
            UserError: it is missing, or its shape is not the one asked for.
        """
        array = self.arrays.get(key)
        if array is None:
            raise UserError(f"{self.path}: the case is incomplete, it lacks {key!r}")
        if array.dtype.kind not in "iuf":
            raise UserError(f"{self.path}: {key!r} is {array.dtype}, not numbers")
        if shape is not None and array.shape != shape:
            raise UserError(f"{self.path}: {key!r} has shape {array.shape}, must be {shape}")
        return array.astype(np.float64 if array.dtype.kind == "f" else np.int64)

    @property
    def needs_vgg(self) -> bool:
        """Whether a part of it compares VGG features."""
        parts = [f"{part}/{term}" for part in _LOSSES for term in ("prc", "style")]
        return any(map(self.has, [*parts, *OF_GRADIENTS]))


_LOSSES = ("eval/loss", "eval/reference_loss", "train/loss")
OF_STEPS = ("train/loss_by_step", "train/batch_stats/", "train/param_delta_norm/")
OF_GRADIENTS = ("train/grad/", *OF_STEPS)


def read_case(path: str | os.PathLike[str]) -> Case:
    """Reads a case as if a stranger wrote it.

    Raises:
        UserError: the file is no .npz of plain arrays, or its settings or inputs are missing,
            malformed or do not fit together.
    """
    path = Path(path)
    arrays = read_npz(path)
    with error_context(path):
        missing = [repr(key) for key in ("config", "gt", "mask") if key not in arrays]
        if missing:
            raise UserError(f"is no recorded case, it lacks {summarize_names(missing)}")
        config = _config(arrays["config"])
        image, mask = _inputs(arrays["gt"], arrays["mask"], 2 ** config["layer_size"])
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


def _config(array: np.ndarray) -> dict[str, Any]:
    try:
        config = json.loads(str(array))
    except (ValueError, RecursionError):
        config = None
    if not isinstance(config, dict):
        raise UserError("its 'config' is no JSON object")
    kinds = {"layer_size": int, "n_refinement": int, "incremental_supervision": bool}
    for name, kind in kinds.items():
        if type(config.get(name)) is not kind:
            raise UserError(f"its 'config' needs {name!r}, {kind.__name__}")
    if not isinstance(config.get("salt", ""), str):
        raise UserError("its 'config' needs 'salt' to be a text")
    if not (3 <= config["layer_size"] <= _MOST and 0 <= config["n_refinement"] <= _MOST):
        raise UserError(
            f"its 'config' has layer_size {config['layer_size']} and n_refinement "
            f"{config['n_refinement']}; use 3 to {_MOST} and 0 to {_MOST}"
        )
    return config


def _inputs(gt: np.ndarray, mask: np.ndarray, multiple: int) -> tuple[np.ndarray, np.ndarray]:
    if gt.ndim != 4 or gt.shape[1] != 3 or gt.dtype != np.float32 or gt.size == 0:
        raise UserError(f"'gt' is {gt.dtype} {gt.shape}, must be float32 (N, 3, H, W)")
    if mask.shape != (len(gt), 1, *gt.shape[2:]):
        raise UserError(f"'mask' has shape {mask.shape}, which does not fit 'gt' {gt.shape}")
    if gt.shape[2] % multiple or gt.shape[3] % multiple:
        raise UserError(f"'gt' has sides {gt.shape[2:]}, which must be multiples of {multiple}")
    if mask.dtype.kind not in "biu" or not np.isin(mask, (0, 1)).all():
        raise UserError("'mask' must hold the integers 0 and 1")
    return gt.transpose(0, 2, 3, 1), mask.astype(np.uint8).transpose(0, 2, 3, 1)
