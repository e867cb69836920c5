import os
import subprocess
import sys
from pathlib import Path

import pytest

from madf_jax.errors import UserError, escape
from madf_jax.files import (
    local_path,
    prepare_target,
    read_json,
    require_directory,
    require_regular_file,
    system_errors,
)

ROOT = Path(__file__).parents[1]


@pytest.mark.parametrize("url", ["gs://b/r", "s3://b", "http://h/x", "hf://o/n", "file:/x"])
def test_urls_are_refused_by_name(url):
    with pytest.raises(UserError, match=r"--workdir=.*URL"):
        local_path(url, "--workdir")


@pytest.mark.parametrize("given", ["", "a\0b", "caf\udce9", "~no-such-user-here/x"])
def test_names_that_no_file_can_have_are_refused(given):
    with pytest.raises(UserError):
        local_path(given)


def test_the_home_folder_is_expanded(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert local_path("~/x") == tmp_path / "x"
    assert local_path("a:b/c d").as_posix() == "a:b/c d"


def test_messages_hold_no_control_characters():
    assert str(UserError("evil\x1b[2J\nheartbeat: \udce9")) == r"evil\x1b[2J\nheartbeat: \udce9"
    assert escape("größe 画 ok") == "größe 画 ok"


def test_errors_of_the_system_are_one_line_with_its_reason(tmp_path):
    with pytest.raises(UserError, match="x: File name too long"), system_errors("x"):
        (tmp_path / ("x" * 300)).stat()
    with pytest.raises(UserError, match="no such file"), system_errors("x"):
        (tmp_path / "none").stat()
    with pytest.raises(UserError, match="out of memory"), system_errors("x"):
        raise MemoryError


def test_only_regular_files_are_opened(tmp_path):
    os.mkfifo(tmp_path / "fifo")
    for name, reason in (("fifo", "regular"), ("", "directory"), ("none", "no such")):
        with pytest.raises(UserError, match=reason):
            require_regular_file(tmp_path / name)
    (tmp_path / "file").write_bytes(b"abc")
    assert require_regular_file(tmp_path / "file").st_size == 3


def test_texts_are_written_in_utf_8_whatever_the_locale_says(tmp_path):
    code = (
        "import pathlib, sys; from madf_jax.files import write_text\n"
        "write_text(pathlib.Path(sys.argv[1]), '\\u65e5')"
    )
    locale = {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    program = [sys.executable, "-c", code, str(tmp_path / "text")]
    subprocess.run(program, cwd=ROOT, env={**os.environ, **locale}, check=True)
    assert (tmp_path / "text").read_bytes() == "日".encode()


@pytest.mark.parametrize(
    "content", [b"{", b"", b"[" * 100_000, b"\xff\xfe", b"9" * 5000, b"[1]" + 100_000 * b" "]
)
def test_what_is_not_json_of_a_size_to_read_is_refused_by_name(tmp_path, content):
    (tmp_path / "x.json").write_bytes(content)
    with pytest.raises(UserError, match=r"--facts=.*x\.json: is not JSON that can be read: "):
        read_json(tmp_path / "x.json", "--facts", largest=100_000)


def test_json_is_read(tmp_path):
    (tmp_path / "x.json").write_text('{"a": [1, "\u00e9"]}')
    assert read_json(tmp_path / "x.json") == {"a": [1, "é"]}


def test_a_directory_is_required(tmp_path):
    require_directory(tmp_path)
    (tmp_path / "file").touch()
    for name, message in [("file", "is not a directory"), ("none", "there is no such file or")]:
        with pytest.raises(UserError, match=f"--reference=.*{name}: {message}"):
            require_directory(tmp_path / name, "--reference")


def test_a_place_that_a_file_can_be_written_to_is_prepared(tmp_path):
    prepare_target(tmp_path / "new" / "o.json", "--json")
    assert list((tmp_path / "new").iterdir()) == []
    (tmp_path / "old").write_text("kept")
    prepare_target(tmp_path / "old", "--json")
    assert (tmp_path / "old").read_text() == "kept"


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("folder", "is a directory; give another name"),
        ("fifo", "is not a regular file; give another name"),
        ("x" * 253, "File name too long"),  # with what a temporary file's name has more
        ("file/o.json", "can't be made"),
    ],
)
def test_a_place_that_a_file_can_not_be_written_to_is_refused(tmp_path, name, message):
    (tmp_path / "folder").mkdir()
    (tmp_path / "file").touch()
    os.mkfifo(tmp_path / "fifo")
    with pytest.raises(UserError, match=f"--json=.*{message}"):
        prepare_target(tmp_path / name, "--json")
