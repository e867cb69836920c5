"""Which files an evaluation may replace."""

import json
import os

import pytest
from PIL import Image

from madf_jax.errors import UserError
from madf_jax.evaluation.output import ReportDirectory
from madf_jax.evaluation.report import FILES

REPORT = {"methods": {"madf": {"psnr": 20.0}}, "step": 7}


def write(path, count, inputs=None):
    directory = ReportDirectory(path, 3, inputs or {})
    directory.make()
    grids = [Image.new("RGB", (4, 4), (count, i, 0)) for i in range(count)]
    return directory.write(REPORT, dict.fromkeys(FILES[1:], "text\n"), grids)


def names(path):
    return sorted(str(file.relative_to(path)) for file in path.rglob("*") if file.is_file())


def test_the_list_names_every_file_of_the_report(tmp_path):
    files = write(tmp_path, 2)
    assert sorted(files) == names(tmp_path)
    kinds = ("json", "csv", "txt", "html", "md", "tex")
    assert files == [f"evaluation.{k}" for k in kinds] + ["grids/0000.png", "grids/0001.png"]
    assert json.loads((tmp_path / "evaluation.json").read_text()) == {**REPORT, "files": files}


def test_a_report_replaces_the_one_before_and_nothing_else(tmp_path):
    write(tmp_path, 3)
    for name in ("2019.png", "mine.png", "0007.png"):
        (tmp_path / "grids" / name).write_text(name)
    files = write(tmp_path, 1)
    kept = ["grids/0007.png", "grids/2019.png", "grids/mine.png"]
    assert names(tmp_path) == sorted([*files, *kept])
    assert all((tmp_path / name).read_text() == name.removeprefix("grids/") for name in kept)
    with Image.open(tmp_path / "grids" / "0000.png") as image:
        assert image.getpixel((0, 0)) == (1, 0, 0)


@pytest.mark.parametrize(
    "name", ["evaluation.json", "evaluation.csv", "evaluation.html", "grids/0002.png"]
)
@pytest.mark.parametrize("make", ["file", "directory", "fifo", "link"])
def test_a_file_of_the_users_in_the_way_is_refused_and_kept(tmp_path, name, make):
    path = tmp_path / name
    path.parent.mkdir(exist_ok=True)
    {
        "file": lambda: path.write_text("{}"),
        "directory": lambda: path.mkdir(),
        "fifo": lambda: os.mkfifo(path),
        "link": lambda: path.symlink_to(tmp_path / "elsewhere"),
    }[make]()
    before = path.lstat()
    with pytest.raises(UserError, match=f"{name}: is in the way, and evaluation"):
        ReportDirectory(tmp_path, 3, {})
    assert path.lstat() == before


def test_an_entry_of_the_list_is_no_way_out_of_the_directory(tmp_path):
    output = tmp_path / "report"
    write(output, 1)
    (tmp_path / "mine.png").touch()
    report = json.loads((output / "evaluation.json").read_text())
    others = ["../mine.png", str(tmp_path / "mine.png"), "grids/../../mine.png", "grids"]
    report["files"] += others
    (output / "evaluation.json").write_text(json.dumps(report))
    write(output, 1)
    assert (tmp_path / "mine.png").exists()


@pytest.mark.parametrize("text", ["", "[" * 100_000, "[]", '{"files": 5}', '{"files": [5]}'])
def test_a_file_that_is_no_report_of_ours_is_kept(tmp_path, text):
    (tmp_path / "evaluation.json").write_text(text)
    with pytest.raises(UserError, match=r"evaluation\.json: is in the way"):
        ReportDirectory(tmp_path, 3, {})
    assert (tmp_path / "evaluation.json").read_text() == text


@pytest.mark.parametrize("output", ["images", "images/report", "link", "images/../images/x"])
def test_an_output_inside_an_input_folder_is_refused(tmp_path, output):
    (tmp_path / "images").mkdir()
    (tmp_path / "link").symlink_to(tmp_path / "images")
    with pytest.raises(UserError, match=r"is inside --config\.data\.train_path=.*images, and"):
        ReportDirectory(tmp_path / output, 3, {"--config.data.train_path": tmp_path / "images"})


def test_grids_that_would_lie_in_an_input_folder_are_refused(tmp_path):
    (tmp_path / "grids").mkdir()
    with pytest.raises(UserError, match="is inside --masks"):
        ReportDirectory(tmp_path, 3, {"--masks": tmp_path / "grids"})


def test_an_output_beside_or_above_an_input_folder_is_fine(tmp_path):
    (tmp_path / "images").mkdir()
    for output in (tmp_path, tmp_path / "images2"):
        ReportDirectory(output, 3, {"--images": tmp_path / "images"})


@pytest.mark.parametrize("name", ["x" * 300, "file/report"])
def test_a_place_that_cannot_be_is_one_line_before_the_work(tmp_path, name):
    (tmp_path / "file").touch()
    with pytest.raises(UserError, match=r"--output=.*: (File name too long|Not a directory)|can't"):
        ReportDirectory(tmp_path / name, 3, {}).make()
