import importlib.util
import os
import subprocess
import sys
from pathlib import Path

import pytest

from madf_jax.errors import UserError
from madf_jax.planning.environment import use_compiler

ROOT = Path(__file__).parents[2]
needs_tpu = pytest.mark.skipif(
    importlib.util.find_spec("libtpu") is None, reason="needs the extra [tpu]"
)


@pytest.mark.parametrize(
    ("platform", "remedy"), [("tpu", r"\.\[tpu\]"), ("cuda", "jax-cuda12-plugin")]
)
def test_a_missing_compiler_is_reported_with_the_remedy(platform, remedy, monkeypatch):
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
        (["--color"], "color"),
    ],
)
def test_mistakes_in_the_config_are_reported_before_anything_else(arguments, message):
    done = compile_command("--config", "configs/places2.py", "--topology", "v5e:1x1", *arguments)
    assert done.returncode == 1
    assert done.stderr.startswith("madf-jax: ")
    assert message in done.stderr
    assert done.stderr.count("\n") == 1


def test_other_commands_take_no_unknown_arguments():
    done = subprocess.run(
        [sys.executable, "-m", "madf_jax", "benchmark", "--color"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 2
    assert "unrecognized arguments: --color" in done.stderr


@needs_tpu
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


# Compiles a transposed convolution with bias, batch statistics and a convolution after it.
UPSAMPLING = """
from madf_jax.planning.environment import use_compiler
use_compiler("tpu")
import jax
from madf_jax.layers.convolution import convolution, transposed_convolution
from madf_jax.planning.chips import devices_of

_, devices = devices_of("v6e:1x1", None)
place = jax.sharding.SingleDeviceSharding(devices[0])

def upsample(x, kernel, bias, after):
    y = transposed_convolution(x, kernel) + bias
    y -= y.mean((0, 1, 2))
    return convolution(y * jax.lax.rsqrt((y * y).mean((0, 1, 2)) + 1e-5), after, padding=1)

shapes = [(1, 16, 16, 128), (2, 2, 128, 2, 2, 64), (64,), (3, 3, 64, 64)]
jax.jit(upsample).lower(
    *(jax.ShapeDtypeStruct(shape, "float32", sharding=place) for shape in shapes)
).compile()
"""


@needs_tpu
def test_a_transposed_convolution_in_float32_compiles_for_v6e():
    done = subprocess.run([sys.executable, "-c", UPSAMPLING], cwd=ROOT, capture_output=True)
    assert done.returncode == 0, done.stderr.decode(errors="replace")[-2000:]
