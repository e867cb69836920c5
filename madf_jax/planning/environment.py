"""Settings with which the compilers for TPUs and GPUs start without such a device."""

import importlib.util
import os
from typing import Literal

from madf_jax.errors import UserError

Platform = Literal["tpu", "cuda"]

_TPU = {
    "TPU_SKIP_MDS_QUERY": "1",
    "TPU_WORKER_HOSTNAMES": "localhost",
    "TPU_ACCELERATOR_TYPE": "v5litepod-4",
    "TPU_WORKER_ID": "0",
    "TPU_LOG_DIR": "disabled",
    "ALLOW_MULTIPLE_LIBTPU_LOAD": "1",
    "TPU_STDERR_LOG_LEVEL": "3",
    "TPU_MIN_LOG_LEVEL": "3",
}
_NEEDS = {
    "tpu": ("libtpu", "pip install '.[tpu]'"),
    "cuda": (
        "jax_cuda12_plugin",
        "pip install --no-deps jax-cuda12-plugin jax-cuda12-pjrt, of jax's own version",
    ),
}


def use_compiler(platform: Platform) -> None:
    """Sets environment variables before JAX starts; JAX itself will run on the CPU.

    Raises:
        UserError: the compiler's package is not installed.
    """
    package, remedy = _NEEDS[platform]
    if importlib.util.find_spec(package) is None:
        raise UserError(f"compiling for {platform} needs the package {package}: {remedy}")
    os.environ["JAX_PLATFORMS"] = "cpu"
    os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
    if platform == "tpu":
        os.environ.update(_TPU)
