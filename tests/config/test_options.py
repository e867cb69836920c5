"""Sections whose values are out of range; tests/test_options.py covers options in general."""

import math

import pytest

from madf_jax.config.options import EvaluationOptions, InitOptions, TrainingOptions
from madf_jax.errors import UserError
from madf_jax.objective.supervision import Objective
from madf_jax.state.optimizer import OptimizerOptions


@pytest.mark.parametrize(
    ("constructor", "changes", "message"),
    [
        (
            TrainingOptions,
            {"parallel": "gspmd"},
            r"training\.parallel is 'gspmd'; use 'shard_map' or 'pmap'",
        ),
        (TrainingOptions, {"batch_norm": "global"}, r"training\.batch_norm is 'global'"),
        (TrainingOptions, {"batch_size": 0}, r"training\.batch_size is 0; use 1 or more"),
        (TrainingOptions, {"steps": 0}, r"training\.steps is 0"),
        (TrainingOptions, {"log_every": 0}, r"training\.log_every is 0"),
        (TrainingOptions, {"images_every": -1}, r"training\.images_every is -1"),
        (TrainingOptions, {"validate_every": 0}, r"training\.validate_every is 0"),
        (TrainingOptions, {"checkpoint_every": 0}, r"training\.checkpoint_every is 0"),
        (TrainingOptions, {"keep_last": 0}, r"training\.keep_last is 0"),
        (TrainingOptions, {"ema_decay": 1.0}, r"training\.ema_decay is 1\.0"),
        (TrainingOptions, {"ema_decay": -0.1}, r"training\.ema_decay is -0\.1"),
        (TrainingOptions, {"seed": -1}, r"training\.seed is -1; use 0 or more and below 2\*\*32"),
        (EvaluationOptions, {"seed": 2**32}, r"evaluation\.seed is 4294967296"),
        (EvaluationOptions, {"count": -1}, r"evaluation\.count is -1; use 0 or more"),
        (EvaluationOptions, {"validation_count": 0}, r"evaluation\.validation_count is 0; use 1"),
        (EvaluationOptions, {"batch_size": 0}, r"evaluation\.batch_size is 0"),
        (EvaluationOptions, {"grids": -1}, r"evaluation\.grids is -1"),
        (OptimizerOptions, {"schedule": "step"}, r"optimizer\.schedule is 'step'; use 'constant'"),
        (OptimizerOptions, {"learning_rate": 0.0}, r"optimizer\.learning_rate is 0\.0"),
        (OptimizerOptions, {"warmup_steps": -1}, r"optimizer\.warmup_steps is -1"),
        (
            OptimizerOptions,
            {"learning_rate": math.inf},
            r"learning_rate is inf; use a finite number",
        ),
        (OptimizerOptions, {"epsilon": math.inf}, r"optimizer\.epsilon is inf"),
        (Objective, {"hole": math.inf}, r"objective\.hole is inf"),
        (TrainingOptions, {"steps": 2**31}, r"training\.steps is 2147483648; use at most"),
        (TrainingOptions, {"profile_steps": (3,)}, r"training\.profile_steps is \(3,\); use \(\)"),
        (TrainingOptions, {"profile_steps": (9, 3)}, r"training\.profile_steps is \(9, 3\)"),
        (InitOptions, {"weights": "s3://bucket/w.npz"}, r"init\.weights=s3://bucket/w\.npz: only"),
        (OptimizerOptions, {"clip_norm": -1.0}, r"optimizer\.clip_norm is -1\.0"),
    ],
)
def test_values_out_of_range_name_their_key(constructor, changes, message):
    with pytest.raises(UserError, match=message):
        constructor(**changes)
