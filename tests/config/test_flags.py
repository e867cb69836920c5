"""The flags of train.py and eval.py."""

from pathlib import Path

import pytest

from madf_jax import __version__
from madf_jax.config.flags import FlagParser
from madf_jax.errors import UserError


def parse(*arguments):
    return FlagParser("train.py", "Trains.").parse(arguments)


def test_flags_of_the_config_are_left_in_order():
    changes = ["--config.a.b=1", "--noconfig.c", "--config.d", "--config.e", "-1"]
    args = parse(changes[0], "--workdir=run", "--config=x.py", *changes[1:])
    assert (args.config, args.workdir) == ("x.py", Path("run"))
    assert args.changes == changes


def test_a_script_may_do_without_a_config():
    args = FlagParser("eval.py", "Evaluates.", required=["workdir"]).parse(["--workdir=run"])
    assert (args.config, args.workdir) == (None, Path("run"))


def test_the_last_of_a_flag_given_twice_counts():
    args = parse("--config=x.py", "--workdir=a", "--config=y.py", "--workdir=b")
    assert (args.config, args.workdir) == ("y.py", Path("b"))


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ([], "--config is missing"),
        (["--config=x.py"], "--workdir is missing"),
        (["--config=x.py", "--workdir="], "--workdir is empty"),
        (["--config=x.py", "--workdir"], "--workdir: expected one argument"),
        (["--config=x.py", "--workdir=s3://bucket/run"], "--workdir=s3://bucket/run: only local"),
        (["--config=x.py", "--workdir=a\udcff"], "is not valid UTF-8"),
        (["--wrkdir=run"], "unknown flag '--wrkdir'; did you mean --workdir?"),
        (["--config.a=1", "--wrkdir=run"], "unknown flag '--wrkdir'"),
        (["--config.a", "1", "--wrkdir=run"], "unknown flag '--wrkdir'"),
        (["-x"], "unknown flag '-x'"),
        (["run"], "unexpected argument 'run'; flags begin with --"),
        (["--config.a=1", "run"], "unexpected argument 'run'"),
    ],
)
def test_a_mistake_is_one_line_that_names_it(arguments, message):
    with pytest.raises(UserError) as raised:
        parse(*arguments)
    assert message in str(raised.value)


def test_a_home_directory_is_expanded():
    assert parse("--config=x.py", "--workdir=~/run").workdir == Path.home() / "run"


@pytest.mark.parametrize("flag", ["-h", "--help"])
def test_help_lists_the_flags(flag, capsys):
    with pytest.raises(SystemExit) as ended:
        parse(flag)
    assert ended.value.code == 0
    assert "--workdir DIR" in (text := capsys.readouterr().out)
    assert "--config.section.key=value" in text


def test_the_version_is_that_of_the_package(capsys):
    with pytest.raises(SystemExit) as ended:
        parse("--version")
    assert ended.value.code == 0
    assert capsys.readouterr().out == f"madf-jax {__version__}\n"
