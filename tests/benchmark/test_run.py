"""The command `benchmark`, on programs that take no time."""

import json

import pytest

from madf_jax.__main__ import main
from madf_jax.benchmark import images, packed, programs, run
from madf_jax.benchmark.programs import Program
from madf_jax.compiler import Costs

NOT_A_PATH = "only local paths are supported, not URLs; copy or mount it"
TINY = Program(run=lambda: None, costs=Costs(6e6, 0.0, 0, 0, 1234, 0, seconds=0.5))


@pytest.fixture(autouse=True)
def quick(monkeypatch):
    machine = {"processor": "p", "cores": 2, "device": "cpu", "matmul_gflops": 100.0}
    monkeypatch.setattr(run, "describe_machine", lambda dtype: machine)
    monkeypatch.setattr(run, "training_peak", lambda *args: 10**9)
    for name in ("network_program", "dynamic_filter_program", "train_program"):
        monkeypatch.setattr(programs, name, lambda *args: TINY)


def test_every_part_is_measured_at_its_default_sizes(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr(run, "measure_data", lambda size, batch: [])
    assert main(["benchmark", "--json", str(tmp_path / "o.json")]) == 0
    rows = json.loads((tmp_path / "o.json").read_text())["rows"]
    found = {(row["what"], row["size"]) for row in rows}
    assert {("network", 128), ("network", 1024), ("train", 256)} <= found
    assert {("dynamic-filter patches", 512), ("dynamic-filter factored", 1024)} <= found
    assert ("dynamic-filter patches", 1024) not in found
    assert {row["temp_bytes"] for row in rows} == {1234}
    assert "| network | 128 |" in capsys.readouterr().out


def test_given_parts_and_sizes_are_measured(capsys):
    assert main(["benchmark", "network", "--size", "128", "384", "--batch", "2"]) == 0
    lines = [line for line in capsys.readouterr().out.splitlines() if line.startswith("| network")]
    assert [line.split(" | ")[1:3] for line in lines] == [["128", "2"], ["384", "2"]]


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["network", "--size", "100"], "--size=100: network needs multiples of 128"),
        (["data", "--size", "16"], "--size=16: data needs multiples of 32"),
        (["--json", "o.txt"], "--json=o.txt: give a name that ends in .json"),
        (
            ["--json", "/dev/null/o.json"],
            "the directory of --json=/dev/null can't be made: [Errno 17] File exists: '/dev/null'",
        ),
        (["--reference", "nowhere"], "--reference=nowhere: there is no such file or directory"),
        (["--reference", __file__], f"--reference={__file__}: is not a directory"),
        (["--json", "gs://b/o.json"], f"--json=gs://b/o.json: {NOT_A_PATH}"),
        (["--reference", "s3://b"], f"--reference=s3://b: {NOT_A_PATH}"),
    ],
)
def test_mistakes_are_reported_before_anything_is_measured(arguments, message, capsys, monkeypatch):
    monkeypatch.setattr(run, "describe_machine", None)
    assert main(["benchmark", *arguments]) == 1
    assert capsys.readouterr().err == f"madf-jax: {message}\n"


def test_a_home_directory_is_expanded(tmp_path, monkeypatch, capsys):
    monkeypatch.setenv("HOME", str(tmp_path))
    assert main(["benchmark", "network", "--size", "128", "--json", "~/o.json"]) == 0
    assert (tmp_path / "o.json").is_file()


def test_a_name_that_is_too_long_is_reported_before_anything_is_measured(
    tmp_path, monkeypatch, capsys
):
    monkeypatch.setattr(run, "describe_machine", None)
    # With what a temporary file's name has more, it is too long.
    path = tmp_path / f"{'x' * 250}.json"
    assert main(["benchmark", "--json", str(path)]) == 1
    assert capsys.readouterr().err == f"madf-jax: --json={path}: File name too long\n"


def test_a_directory_is_not_replaced_by_a_report(tmp_path, capsys):
    (tmp_path / "o.md").mkdir()
    assert main(["benchmark", "--json", str(tmp_path / "o.json")]) == 1
    assert "o.md: is a directory; give another name" in capsys.readouterr().err


@pytest.mark.parametrize("arguments", [["paint"], ["--repeats", "0"], ["--dtype", "int8"]])
def test_arguments_that_do_not_parse_end_with_usage(arguments, capsys):
    with pytest.raises(SystemExit):
        main(["benchmark", *arguments])
    assert "usage:" in capsys.readouterr().err


def test_the_pipeline_is_measured_on_one_thread_and_on_all(monkeypatch):
    for name, value in {"_FILES": 4, "_COUNTED": 8, "_ROUNDS": 1}.items():
        monkeypatch.setattr(images, name, value)
    monkeypatch.setattr(packed, "_COUNTED", 8)
    monkeypatch.setattr("os.cpu_count", lambda: 2)
    rows = images.measure_data(32, 2)
    reading = ["read packed", "read packed, bytes"]
    assert [row.what for row in rows] == ["data", "data, 2 threads", *reading]
    assert all(row.ratio == row.reference_seconds / row.seconds > 0 for row in rows)
