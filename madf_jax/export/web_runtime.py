"""The files of ONNX Runtime Web that a page needs, from npm or from a copy that a user has."""

from __future__ import annotations

import base64
import hashlib
import os
import shutil
import subprocess
import tarfile
import tempfile
from pathlib import Path

from madf_jax.errors import UserError
from madf_jax.files import system_errors, write_whole

VERSION = "1.30.0"
_PACKAGE = f"onnxruntime-web@{VERSION}"
_SHA512 = "q0y+JrrtukXSzsBWEMccVfqX25LRmosXHF+CaRJmg8pZClzcV7svNc4rKY3jL02Vb7QmRMDs1SigqR4CXAfKYQ=="
# The smallest set that computes the network right with and without WebGPU. The build `ort.webgpu`
# of this version gets convolutions of six channels wrong there (onnxruntime's issue 29651).
FILES = ("ort.min.mjs", "ort-wasm-simd-threaded.jsep.mjs", "ort-wasm-simd-threaded.jsep.wasm")


def copy_runtime(folder: Path, given: Path | None = None) -> None:
    """Writes `FILES` into a folder.

    Args:
        folder: that is there.
        given: the package `onnxruntime-web` as npm packs it (.tgz), or unpacked. None takes what an
            earlier call has kept in the cache of the user, or asks npm for it.

    Raises:
        UserError: npm is missing or can't get the package, what it got is not what was published,
            or what is given lacks a file.
    """
    if given is not None and given.is_dir():
        _copy_from_folder(given, folder)
    else:
        _extract(given or _kept_package(), folder)


def _copy_from_folder(given: Path, folder: Path) -> None:
    source = given / "dist" if (given / "dist").is_dir() else given
    for name in FILES:
        if not (source / name).is_file():
            raise UserError(f"--runtime={given}: holds no {name}; give onnxruntime-web {VERSION}")
        with system_errors(source / name):
            shutil.copyfile(source / name, folder / name)


def _extract(package: Path, folder: Path) -> None:
    try:
        with system_errors(package, "--runtime"), tarfile.open(package) as archive:
            for name in FILES:
                content = archive.extractfile(f"package/dist/{name}")
                if content is None:
                    raise KeyError(name)
                with (folder / name).open("wb") as file:
                    shutil.copyfileobj(content, file)
    except KeyError:
        raise UserError(
            f"--runtime={package}: holds no {name}; give onnxruntime-web {VERSION}"
        ) from None
    except (tarfile.TarError, EOFError):
        raise UserError(f"--runtime={package}: is no package of npm that can be read") from None


def _kept_package() -> Path:
    """The package in the user's cache, which it is brought to if need be."""
    kept = _cache() / f"onnxruntime-web-{VERSION}.tgz"
    if not (kept.is_file() and _digest(kept) == _SHA512):
        with tempfile.TemporaryDirectory(prefix="madf-jax-") as temporary:
            packed = _pack(Path(temporary))
            if _digest(packed) != _SHA512:
                raise UserError(f"npm's {_PACKAGE} is not what was published: wrong checksum")
            write_whole(kept, lambda path: shutil.copyfile(packed, path))
    return kept


def _pack(folder: Path) -> Path:
    npm = shutil.which("npm")
    if npm is None:
        raise UserError(
            f"the page needs {_PACKAGE} from npm, which is not installed; install Node.js, "
            "or give the package by --runtime"
        )
    command = [npm, "pack", _PACKAGE, "--ignore-scripts", "--silent"]
    done = subprocess.run(
        command, cwd=folder, stdin=subprocess.DEVNULL, capture_output=True, text=True
    )
    found = next(folder.glob("*.tgz"), None)
    if done.returncode or found is None:
        lines = (done.stderr or done.stdout).strip().splitlines() or ["no reason given"]
        raise UserError(f"npm pack {_PACKAGE} failed: {lines[0]}; or give it by --runtime")
    return found


def _cache() -> Path:
    try:
        return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "madf_jax"
    except RuntimeError:
        raise UserError("there is no home directory; name a cache by XDG_CACHE_HOME") from None


def _digest(path: Path) -> str:
    with system_errors(path), path.open("rb") as file:
        return base64.b64encode(hashlib.file_digest(file, "sha512").digest()).decode()
