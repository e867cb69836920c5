import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from madf_jax.errors import UserError
from madf_jax.planning.environment import use_compiler

ROOT = Path(__file__).parents[2]


@pytest.mark.parametrize(
    ("platform", "remedy"), [("tpu", r"madf-jax\[tpu\]"), ("cuda", "jax-cuda12-plugin")]
)
def test_a_missing_compiler_is_told_with_the_remedy(platform, remedy, monkeypatch):
    monkeypatch.setattr(importlib.util, "find_spec", lambda _: None)
    before = dict(os.environ)
    with pytest.raises(UserError, match=remedy):
        use_compiler(platform)
    assert dict(os.environ) == before


def compile_command(*arguments):
    return subprocess.run(
        [sys.executable, "-m", "madf_jax", "compile", *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--config.network.depht=3"], "depht"),
        (["--config.network.depth=three"], "depth"),
        (["--colour"], "colour"),
    ],
)
def test_mistakes_in_the_config_are_told_before_anything_else(arguments, message):
    done = compile_command("--config", "configs/places2.py", "--topology", "v5e:1x1", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("madf_jax: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_other_commands_take_no_unknown_arguments():
    done = subprocess.run(
        [sys.executable, "-m", "madf_jax", "benchmark", "--colour"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "unrecognized arguments: --colour" in done.stderr


@pytest.mark.skipif(importlib.util.find_spec("libtpu") is None, reason="needs the extra [tpu]")
def test_a_small_step_compiles_for_a_tpu():
    small = {
        "network.depth": 3,
        "network.refinements": 0,
        "objective.perceptual": 0.0,
        "objective.style": 0.0,
        "data.size": 64,
    }
    done = compile_command(
        "--config=configs/quickstart.py",
        "--topology=v5e:1x1",
        *(f"--config.{key}={value}" for key, value in small.items()),
    )
    assert done.returncode == 0, done.stderr
    assert "fits        yes" in done.stdout
