"""The command line: what all commands share."""

import subprocess
import sys
from pathlib import Path

import pytest

from madf_jax import __version__
from madf_jax.__main__ import main

ROOT = Path(__file__).parents[1]
CASE = ["compare", "--recorded", "c.npz", "--weights", "rule:"]
LIVE = ["compare", "--reference", "d", "--weights", "rule:"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["convert", "a.npz"],
        ["compare", "--weights", "rule:"],
        ["compare", "--reference", "d"],
        [*CASE, "--reference", "d"],
        [*CASE, "--size", "64"],
        [*CASE, "--image", "i.png"],
        [*LIVE, "--json", "o.json"],
        [*LIVE, "--image", "i.png"],
        [*LIVE, "--size", "0"],
        ["numbers"],
    ],
)
def test_arguments_that_do_not_parse_end_with_usage_and_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: madf-jax")


COMMANDS = ("convert", "compare", "numbers", "benchmark", "compile", "inpaint", "demo")


@pytest.mark.parametrize("command", COMMANDS)
def test_help_imports_nothing_heavy(command):
    program = f"""
import sys
from madf_jax.__main__ import main
try:
    main([{command!r}, "--help"])
except SystemExit:
    print("LOADED", *sorted({{"jax", "numpy", "PIL", "orbax", "gradio"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_a_mistake_ends_with_one_line_and_1(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "madf_jax", "convert", "missing.npz", str(tmp_path / "w.npz")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "madf-jax: missing.npz: there is no such file or directory\n"


def test_the_version_is_printed(capsys):
    with pytest.raises(SystemExit) as ended:
        main(["--version"])
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"madf-jax {__version__}\n"


def test_an_interruption_ends_with_one_line_and_130(capsys, monkeypatch):
    def interrupted(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr("madf_jax.parity.numbers.write_numbers", interrupted)
    assert main(["numbers", "case.npz"]) == 130
    assert capsys.readouterr().err == "madf-jax: interrupted\n"


@pytest.mark.parametrize(("status", "ended"), [(0, "by Python\n"), (130, "")])
def test_after_an_interruption_nothing_of_python_runs(status, ended):
    """Its end would crash in JAX's threads."""
    program = f"""
import atexit
from madf_jax import __main__
atexit.register(print, "by Python")
__main__.main = lambda: {status}
__main__.program()
"""
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True)
    assert (done.returncode, done.stdout) == (status, ended)


@pytest.mark.parametrize(
    ("arguments", "flag"),
    [
        (["compare", "--recorded", "URL"], "--recorded=URL"),
        (["compare", "--recorded", "case.npz", "--json", "URL"], "--json=URL"),
        (["compare", "--recorded", "case.npz", "--vgg", "URL"], "--vgg=URL"),
        (["compare", "--reference", "URL", "--weights", "rule:"], "--reference=URL"),
        ([*LIVE, "--image", "URL"], "--image=URL"),
        ([*LIVE, "--mask", "URL"], "--mask=URL"),
        ([*LIVE, "--output", "URL"], "--output=URL"),
        (["numbers", "case.npz", "URL"], "URL"),
        (["numbers", "--output", "URL", "case.npz"], "--output=URL"),
        (["benchmark", "--reference", "URL"], "--reference=URL"),
        (["benchmark", "--json", "URL"], "--json=URL"),
        (["compile", "--config", "URL", "--topology", "v5e:1x1"], "--config=URL"),
    ],
)
@pytest.mark.parametrize("url", ["gs://bucket/run", "s3://b/c.npz"])
def test_urls_are_refused_in_one_line(arguments, flag, url, capsys):
    assert main([argument.replace("URL", url) for argument in arguments]) == 1
    expected = f"madf-jax: {flag}: only local paths are supported, not URLs; copy or mount it\n"
    assert capsys.readouterr().err == expected.replace("URL", url, 1)


def test_a_name_that_is_not_utf_8_is_refused(capsys):
    assert main(["numbers", "caf\udce9.npz"]) == 1
    assert "is not valid UTF-8" in capsys.readouterr().err
