"""A platform that is not available is one line that names it."""

import os
import subprocess
import sys
from pathlib import Path

import jax
import pytest

from madf_jax.devices import device_errors, require_devices
from madf_jax.errors import UserError

ROOT = Path(__file__).parents[1]


def fail(error):
    def devices(*_):
        raise error

    return devices


@pytest.mark.parametrize(
    "error", [AssertionError(), RuntimeError("Unable to initialize backend 'tpu':\n no libtpu")]
)
def test_a_missing_platform_is_named_with_the_fix(monkeypatch, error):
    monkeypatch.setattr(jax, "devices", fail(error))
    with pytest.raises(UserError, match=r"^JAX_PLATFORMS=cpu: .*unset JAX_PLATFORMS"):
        require_devices()
    with pytest.raises(UserError), device_errors():
        raise AssertionError


def test_other_errors_stay_what_they_are(monkeypatch):
    with pytest.raises(AssertionError, match="of another kind"), device_errors():
        raise AssertionError("of another kind")
    monkeypatch.setattr(jax, "devices", fail(RuntimeError("a partner has gone")))
    with pytest.raises(RuntimeError, match="a partner has gone"):
        require_devices()


@pytest.mark.skipif(Path("/dev/nvidiactl").exists(), reason="this machine has a GPU")
def test_train_ends_with_one_line(tmp_path):
    done = subprocess.run(
        [sys.executable, "train.py", "--config=configs/quickstart.py", f"--workdir={tmp_path}/run"],
        cwd=ROOT,
        env={**os.environ, "JAX_PLATFORMS": "cuda"},
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("train.py: JAX_PLATFORMS=cuda: ")
    assert "Traceback" not in done.stderr
    assert not (tmp_path / "run").exists()
