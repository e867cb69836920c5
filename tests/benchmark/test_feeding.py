"""What reading costs a core: stored alike, from the disk, on one core."""

import dataclasses
import os

import pytest

from madf_jax.__main__ import main
from madf_jax.benchmark import feeding, feeding_report
from madf_jax.benchmark.feeding import Cost, Feeding, bytes_from_disk, forget, one_core
from madf_jax.benchmark.feeding_report import cores_needed
from madf_jax.benchmark.stored import Photographs, store
from madf_jax.data.sources import open_images

LARGER, SMALLER = Photographs("larger", (96, 80), 64), Photographs("smaller", (64, 64), 64)
COST = Cost(cpu=0.016, wall=0.02, disk=264e3)
ROW = Feeding("large", 512, "folder", 263e3, COST, Cost(0.012, 0.013, 0.0), 0.01, 0.003, 0.0004)


def test_every_way_of_storing_holds_the_same_images(tmp_path):
    (tmp_path / "smaller").mkdir()
    assert [one.name for one in store(SMALLER, 1, tmp_path / "smaller")] == [
        "folder",
        "TFDS",
        "packed",
    ]
    (tmp_path / "larger").mkdir()
    sources = {
        one.name: open_images(one.images, training=True)
        for one in store(LARGER, 2, tmp_path / "larger")
    }
    assert list(sources) == ["folder", "TFDS", "packed", "packed, --side 72"]

    def images(name):
        return sorted(
            (image.shape, image.tobytes()) for image in map(sources[name].__getitem__, (0, 1))
        )

    assert images("folder") == images("TFDS") == images("packed")
    assert [shape for shape, _ in images("folder")] == [(80, 96, 3), (96, 80, 3)]
    assert [shape for shape, _ in images("packed, --side 72")] == [(72, 86, 3), (86, 72, 3)]


def test_what_is_forgotten_comes_from_the_disk_again(tmp_path):
    file = tmp_path / "file"
    if bytes_from_disk() is None or os.major(tmp_path.stat().st_dev) == 0:
        pytest.skip("no disk whose reads are counted")
    file.write_bytes(os.urandom(2**20))
    before = bytes_from_disk()
    file.read_bytes()
    assert bytes_from_disk() == before
    forget([file])
    file.read_bytes()
    assert bytes_from_disk() - before >= 2**20


@pytest.mark.skipif(not hasattr(os, "sched_setaffinity"), reason="the system has no affinity")
def test_one_core_is_used_and_the_others_come_back():
    before = os.sched_getaffinity(0)
    with one_core():
        assert len(os.sched_getaffinity(0)) == 1
    assert os.sched_getaffinity(0) == before


def test_cores_are_chips_times_bound_times_seconds():
    assert cores_needed(ROW, 8, 120) == 16  # 8 * 120 * 0.016 = 15.36
    assert cores_needed(ROW, 1, 62.5) == 1
    assert cores_needed(dataclasses.replace(ROW, size=256), 8, 120) == 62  # four times as many
    assert ROW.rate == 62.5


def test_every_way_is_measured(monkeypatch):
    monkeypatch.setattr(feeding, "_ROUNDS", 1)
    rows = feeding.measure_feeding(LARGER, 4)
    assert [row.stored for row in rows] == ["folder", "TFDS", "packed", "packed, --side 72"]
    for row in rows:
        seconds = (row.cold.cpu, row.warm.cpu, row.decode, row.crop, row.mask)
        assert 0 < min(seconds) <= max(seconds) < 60
        assert row.bytes > 0


def test_the_report_is_a_table_and_json(monkeypatch, tmp_path, capsys):
    monkeypatch.setattr(feeding_report, "measure_feeding", lambda photographs, count: [ROW])
    arguments = [
        "--chips",
        "4",
        "--bound",
        "v5e=120",
        "h=600.5",
        "--json",
        str(tmp_path / "o.json"),
    ]
    assert main(["data-report", *arguments]) == 0
    printed = capsys.readouterr().out
    assert "| cores for 4 v5e | cores for 4 h |\n" in printed
    assert (
        "| large | folder | 263 kB | 16.00 ms | 20.00 ms | 264 kB | 12.00 ms | 10.00 ms | 3.00 ms "
        "| 0.40 ms | 62 | 8 | 39 |" in printed
    )
    assert '"cpu": 0.016' in (tmp_path / "o.json").read_text()


@pytest.mark.parametrize("arguments", [["--bound", "v5e"], ["--bound", "=1"], ["--images", "6"]])
def test_arguments_that_do_not_parse_end_with_usage(arguments, capsys):
    with pytest.raises(SystemExit):
        main(["data-report", *arguments])
    assert "usage:" in capsys.readouterr().err
