"""Two trainings never write to one working directory."""

import errno
import fcntl
import subprocess
import sys
from pathlib import Path

import pytest

from madf_jax.checkpoints.ownership import LOCK, exclusive
from madf_jax.errors import UserError

HOLD = """
import sys, time
from pathlib import Path
from madf_jax.checkpoints.ownership import exclusive
with exclusive(Path(sys.argv[1])):
    print("held", flush=True)
    sys.stdin.read()
"""


@pytest.fixture
def holder(tmp_path):
    """Another process that holds the directory."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, str(tmp_path)],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    assert process.stdout.readline() == "held\n"
    yield process
    process.kill()
    process.communicate()


def test_a_second_training_is_refused_and_the_first_one_named(tmp_path, holder):
    before = (tmp_path / LOCK).read_text()
    named = f"in use by another training: process {holder.pid} on "
    with pytest.raises(UserError, match=named), exclusive(tmp_path):
        pass
    assert (tmp_path / LOCK).read_text() == before


def test_a_killed_training_holds_nothing(tmp_path, holder):
    holder.kill()
    holder.wait()
    with exclusive(tmp_path) as text:
        assert (tmp_path / LOCK).read_text() == text


def test_each_training_leaves_a_text_of_its_own(tmp_path):
    texts = set()
    for _ in range(2):
        with exclusive(tmp_path) as text:
            texts.add(text)
            with pytest.raises(UserError, match="in use"), exclusive(tmp_path):
                pass
    assert len(texts) == 2


def test_a_file_system_without_locks_is_only_logged(tmp_path, monkeypatch, log_lines):
    def refuse(*_):
        raise OSError(errno.ENOLCK, "No locks available")

    monkeypatch.setattr(fcntl, "flock", refuse)
    with exclusive(tmp_path):
        pass
    assert "can't be locked (No locks available)" in log_lines[0]


def test_a_directory_that_is_gone_is_one_line(tmp_path):
    message = r"training\.lock: there is no such"
    with pytest.raises(UserError, match=message), exclusive(tmp_path / "none"):
        pass
