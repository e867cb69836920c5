"""What processes find out together, with the others played; real ones are in tests/faults."""

import threading

import jax
import numpy as np
import pytest

from madf_jax.training import agreement
from madf_jax.training.agreement import Vote, require_agreement, require_same_directory
from madf_jax.training.parallel import data_mesh

CONFIG, DATA = {"training.seed": "0", "data.size": "16"}, {"images": "FolderSource(images=3)"}


def agree(config=CONFIG, data=DATA, newest=None):
    require_agreement(config, data, newest)
    return "agreed"


def test_processes_that_see_the_same_agree(play):
    assert play([lambda: agree(newest=20)] * 2) == ["agreed"] * 2


@pytest.mark.parametrize(
    ("other", "message"),
    [
        (
            {"config": {**CONFIG, "training.seed": "1"}},
            "differ in their config: training.seed is 0 in process 0, 1 in process 2; start",
        ),
        ({"data": {"images": "FolderSource(images=4)"}}, "see different data: images is Folder"),
        ({"newest": 20}, "(process 0 none, process 1 none, process 2 step 20); make the same"),
    ],
)
def test_what_differs_is_named_in_all_processes(play, other, message):
    results = play([agree, agree, lambda: agree(**other)])
    assert len(set(results)) == 1 and message in results[0]


def test_a_directory_of_another_is_noticed(play, tmp_path, monkeypatch):
    monkeypatch.setattr(agreement, "_PATIENCE", 0.2)
    for name in "ab":
        (tmp_path / name).mkdir()
    (tmp_path / "a" / agreement.LOCK).write_text("process 7 (1234)")
    (tmp_path / "b" / agreement.LOCK).write_text("process 7 (1233)")

    def check(name, token=""):
        require_same_directory(tmp_path / name, token)
        return "the same"

    def as_first():
        return check("a", "process 7 (1234)")

    assert play([as_first, lambda: check("a")]) == ["the same"] * 2
    for other in ("b", "none"):
        results = play([as_first, lambda other=other: check(other)])
        assert all(f"--workdir={tmp_path / other} is not the directory" in r for r in results)


def test_a_file_that_appears_late_is_waited_for(play, tmp_path):
    def write():
        (tmp_path / agreement.LOCK).write_text("token")

    timer = threading.Timer(0.3, write)
    timer.start()
    results = play([lambda: require_same_directory(tmp_path, "token")] * 2)
    assert results == [None, None]


def test_a_vote_alone_is_ones_own():
    vote = Vote(data_mesh(jax.devices()[:2]))
    assert [vote(False), vote(True)] == [False, True]


def test_a_vote_of_one_counts_for_all_a_step_later(monkeypatch):
    vote = Vote(data_mesh(jax.devices()[:2]))
    monkeypatch.setattr(jax, "process_count", lambda: 2)
    real = jax.make_array_from_process_local_data
    others = iter([False, True, False])

    def with_another(sharding, own):
        # The second device is played by another process.
        return real(sharding, np.array([own[0], next(others)]))

    monkeypatch.setattr(jax, "make_array_from_process_local_data", with_another)
    assert [vote(False), vote(False), vote(False)] == [False, False, True]
