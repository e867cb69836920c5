import subprocess
import sys
from pathlib import Path

import pytest

from madf_jax.__main__ import main
from madf_jax.parity.rule import rule_weights

ROOT = Path(__file__).parents[2]
CASE = ["compare", "--recorded", "c.npz", "--weights", "rule:"]
LIVE = ["compare", "--reference", "d", "--weights", "rule:"]


@pytest.mark.parametrize(
    "arguments",
    [
        [],
        ["paint"],
        ["convert", "a.npz"],
        ["compare", "--weights", "rule:"],
        ["compare", "--recorded", "c.npz"],
        [*CASE, "--reference", "d"],
        [*CASE, "--size", "64"],
        [*CASE, "--image", "i.png"],
        [*LIVE, "--json", "o.json"],
        [*LIVE, "--image", "i.png"],
        [*LIVE, "--size", "0"],
        ["numbers"],
    ],
)
def test_arguments_that_do_not_fit_end_with_usage_and_2(arguments, capsys):
    with pytest.raises(SystemExit) as ended:
        main(arguments)
    assert ended.value.code == 2
    assert capsys.readouterr().err.startswith("usage: madf-jax")


@pytest.mark.parametrize("command", ["convert", "compare", "numbers"])
def test_help_imports_nothing_heavy(command):
    program = f"""
import sys
from madf_jax.__main__ import main
try:
    main([{command!r}, "--help"])
except SystemExit:
    print("LOADED", *sorted({{"jax", "numpy", "PIL", "orbax"}} & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True
    )
    assert "--" in done.stdout
    assert done.stdout.splitlines()[-1] == "LOADED"


def test_a_users_mistake_ends_with_one_line_and_1(tmp_path):
    done = subprocess.run(
        [sys.executable, "-m", "madf_jax", "convert", "missing.npz", str(tmp_path / "w.npz")],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert done.returncode == 1
    assert done.stderr == "madf-jax: missing.npz: there is no such file or directory\n"


def test_the_page_of_numbers_holds_every_case_and_output(write_case, tmp_path, capsys):
    case = write_case(lambda key: key.startswith(("config", "gt", "mask", "eval/out")))
    page = tmp_path / "docs" / "numbers.md"
    assert main(["numbers", "--output", str(page), str(case)]) == 0
    text = page.read_text()
    assert f"python -m madf_jax numbers --output {page} {case}" in text
    assert text.count("\n| case | ") == 5
    assert [path.name for path in page.parent.iterdir()] == ["numbers.md"]


def test_the_rule_needs_a_real_depth(write_case, capsys):
    assert rule_weights("", 3, 0).vgg is not None
    with pytest.raises(ValueError, match="at least 3"):
        rule_weights("", 2, 0)
