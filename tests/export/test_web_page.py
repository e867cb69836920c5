"""The folder with the page, and the package of npm that it needs."""

import json
import os
import re
import tarfile
from pathlib import Path

import numpy as np
import pytest

from madf_jax.__main__ import main
from madf_jax.errors import UserError
from madf_jax.export import web_runtime
from madf_jax.export.request import Request
from madf_jax.export.usage import wrong_input
from madf_jax.export.web_page import write_web_page
from madf_jax.export.web_runtime import FILES, copy_runtime


@pytest.fixture
def runtime(tmp_path):
    """The package unpacked, with little in it."""
    folder = tmp_path / "onnxruntime-web" / "dist"
    folder.mkdir(parents=True)
    for name in FILES:
        (folder / name).write_text(name)
    return folder.parent


@pytest.fixture
def no_cache(monkeypatch, tmp_path):
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))


def pack(folder, path):
    with tarfile.open(path, "w:gz") as archive:
        archive.add(folder, "package")
    return path


def put_npm(monkeypatch, folder, script):
    """A program `npm` that is the only one to be found."""
    folder.mkdir()
    (folder / "npm").write_text(f"#!/bin/sh\n{script}\n")
    (folder / "npm").chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}{os.pathsep}/usr/bin{os.pathsep}/bin")


def test_the_package_is_taken_packed_or_unpacked(runtime, tmp_path):
    packed = pack(runtime, tmp_path / "package.tgz")
    for number, given in enumerate((packed, runtime, runtime / "dist")):
        folder = tmp_path / str(number)
        folder.mkdir()
        copy_runtime(folder, given)
        found = {path.name: path.read_text() for path in folder.iterdir()}
        assert found == {name: name for name in FILES}


def test_a_package_without_a_file_is_refused_by_name(runtime, tmp_path):
    (runtime / "dist" / FILES[-1]).unlink()
    for given in (pack(runtime, tmp_path / "package.tgz"), runtime):
        with pytest.raises(UserError, match=f"{given}: holds no {FILES[-1]}"):
            copy_runtime(tmp_path, given)


def test_what_is_no_package_is_refused(tmp_path):
    (tmp_path / "package.tgz").write_text("no archive")
    with pytest.raises(UserError, match="is no package of npm that can be read"):
        copy_runtime(tmp_path, tmp_path / "package.tgz")
    with pytest.raises(UserError, match="there is no such file"):
        copy_runtime(tmp_path, tmp_path / "missing.tgz")


def test_without_npm_one_line_says_so(no_cache, monkeypatch, tmp_path):
    monkeypatch.setenv("PATH", "")
    with pytest.raises(UserError, match="from npm, which is not installed"):
        copy_runtime(tmp_path)


def test_a_failure_of_npm_is_one_line(no_cache, monkeypatch, tmp_path):
    put_npm(monkeypatch, tmp_path / "bin", "echo 'npm error: no network' >&2; exit 1")
    with pytest.raises(UserError, match="failed: npm error: no network; or give it by --runtime"):
        copy_runtime(tmp_path)


def test_another_package_than_was_published_is_refused(no_cache, monkeypatch, runtime, tmp_path):
    other = pack(runtime, tmp_path / "other.tgz")
    put_npm(monkeypatch, tmp_path / "bin", f"cp '{other}' onnxruntime-web.tgz")
    with pytest.raises(UserError, match="wrong checksum"):
        copy_runtime(tmp_path)
    assert not list((tmp_path / "cache").rglob("*.tgz"))


def test_the_package_is_asked_for_once(no_cache, monkeypatch, runtime, tmp_path):
    published = pack(runtime, tmp_path / "published.tgz")
    monkeypatch.setattr(web_runtime, "_SHA512", web_runtime._digest(published))
    put_npm(monkeypatch, tmp_path / "bin", f"mv '{published}' onnxruntime-web.tgz")
    for folder in (tmp_path / "first", tmp_path / "second"):  # npm could not do it twice
        folder.mkdir()
        copy_runtime(folder)
        assert sorted(path.name for path in folder.iterdir()) == sorted(FILES)


@pytest.mark.slow
def test_the_folder_holds_the_page_and_names_no_host(make_weights, runtime, tmp_path):
    pytest.importorskip("onnxruntime")
    folder = tmp_path / "out"
    weights = make_weights(metadata={"title": "Mine", "trained_hole_width": 20.0})
    said = write_web_page(weights, folder, runtime=runtime)
    assert said.startswith("run by onnxruntime: off by ") and "model.onnx 0." in said
    settings = json.loads((folder / "settings.json").read_text())
    assert settings["multiple"] == 8 and settings["trained_hole_width"] == 20.0
    assert settings["about"] == "Weights: Mine."
    assert np.ptp(settings["check"]["expected"]) > 1
    pages = [path for path in folder.iterdir() if path.suffix in (".html", ".css", ".js")]
    assert {"index.html", "style.css", "app.js", "worker.js"} <= {path.name for path in pages}
    for path in pages:
        assert "://" not in path.read_text()
    assert "default-src 'none'" in (folder / "index.html").read_text()


def test_the_card_says_what_the_page_takes(make_weights):
    script = (Path(web_runtime.__file__).parent / "page" / "pixels.js").read_text()
    limit = re.search(r"MOST_MEGAPIXELS = (\d+);", script)[1]
    said = wrong_input(Request("web"), make_weights())
    assert f"any of up to {limit} megapixels" in said and "Inpainter" not in said


def test_a_folder_that_is_not_empty_is_refused(make_weights, tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    with pytest.raises(UserError, match="is not empty; name another folder"):
        write_web_page(make_weights(), tmp_path)


def test_a_runtime_is_for_the_page_only(capsys, tmp_path):
    arguments = ["--format=hub", "--runtime=x.tgz", str(tmp_path / "out")]
    assert main(["export", *arguments]) == 1
    assert "--format=hub has no --runtime; web has it" in capsys.readouterr().err
    assert main(["demo", "--runtime=x.tgz"]) == 1
    assert capsys.readouterr().err == "madf-jax: --runtime is for --static\n"
