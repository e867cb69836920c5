"""The command line of a run: `--config=FILE --config.section.key=value --workdir=DIR`."""

import argparse
from collections.abc import Sequence
from typing import NoReturn

from absl import flags

from madf_jax import __version__
from madf_jax.config.config_file import CHANGE, suggest
from madf_jax.errors import UserError
from madf_jax.files import any_path

_EPILOG = (
    "--config.section.key=value changes a key of the config; the last one counts. "
    "configs/default.py holds every key with its meaning."
)


class FlagParser(argparse.ArgumentParser):
    """The flags of a script that works on a run; a mistake in one is a UserError."""

    def __init__(
        self, program: str, description: str, *, required: Sequence[str] = ("config", "workdir")
    ) -> None:
        """Adds the flags that all of them have.

        Args:
            program: name of the script.
            description: of what it does.
            required: which of its flags must be given.
        """
        super().__init__(program, description=description, epilog=_EPILOG, allow_abbrev=False)
        self.add_argument("--version", action="version", version=f"madf-jax {__version__}")
        own = "" if "config" in required else "; default: the run's own"
        example = f"such as configs/places2.py{own}"
        self.add_argument("--config", metavar="FILE", help=example)
        self.add_argument(
            "--workdir", metavar="DIR", help="directory of the run, or gs://BUCKET/DIR"
        )
        self._required = required

    def add_job_flags(self) -> None:
        """Adds those by which processes find each other; few clusters need them."""
        self.add_argument("--coordinator", metavar="HOST:PORT", help="address of process 0")
        self.add_argument("--num_processes", metavar="N", type=int, help="processes of the job")
        self.add_argument("--process_id", metavar="I", type=int, help="this process, from 0")

    def parse(self, arguments: Sequence[str] | None) -> argparse.Namespace:
        """Parses the command line, by default the program's.

        Returns:
            The flags by name, `workdir` as a path or None, and `changes`: the flags `--config.…`
            with their values, as `change_config` takes them.

        Raises:
            UserError: a flag is unknown, is missing or has an unfit value.
        """
        args, changes = self.parse_known_args(arguments)
        self._check(changes)
        for name in self._required:
            if getattr(args, name) is None:
                raise UserError(f"--{name} is missing; --help lists the flags")
        if args.workdir is not None:
            args.workdir = any_path(args.workdir, "--workdir")
        args.changes = changes
        # Libraries that ask for absl's flags find their defaults.
        flags.FLAGS([self.prog])
        return args

    def error(self, message: str) -> NoReturn:
        """Called by argparse for a mistake.

        Raises:
            UserError: with argparse's message.
        """
        raise UserError(message)

    def _check(self, changes: Sequence[str]) -> None:
        is_value = False
        for argument in changes:
            change = CHANGE.match(argument)
            if not change and not is_value:
                if not argument.startswith("-"):
                    raise UserError(f"unexpected argument {argument!r}; flags begin with --")
                known = [name for action in self._actions for name in action.option_strings]
                raise UserError(f"unknown flag {suggest(argument.partition('=')[0], known)}")
            is_value = bool(change) and "=" not in argument and not argument.startswith("--no")
