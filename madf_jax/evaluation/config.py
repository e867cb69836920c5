"""The config of an evaluation: that of the run, unless a file is named."""

import dataclasses
from collections.abc import Sequence

from absl import logging

from madf_jax.config.config_file import change_config, read_config
from madf_jax.config.run_config import find_differences, has_run_config, read_run_config
from madf_jax.config.sections import Setup, defaults, from_config, to_plain
from madf_jax.errors import UserError
from madf_jax.evaluation.manifest import Manifest
from madf_jax.files import AnyPath, is_directory


def choose_setup(file: str | None, changes: Sequence[str], workdir: AnyPath | None) -> Setup:
    """Builds every section, and logs each key that differs from the run's config.

    Args:
        file: of a config to evaluate with; None takes that of the run, or the defaults.
        changes: flags `--config.section.key=value`.
        workdir: of the run; None if there is none.

    Raises:
        UserError: there is no config, or it, a key or a value can't be used.
    """
    if workdir is None:
        named = None if file is None else read_config(file, changes)
        return from_config(named or change_config(defaults(), changes))
    require_run(workdir)
    run = read_run_config(workdir) if has_run_config(workdir) else None
    if file is not None:
        setup = from_config(read_config(file, changes))
    elif run is not None:
        setup = from_config(change_config(run, changes))
    else:
        raise UserError(f"--workdir={workdir} has no config.json; name its config by --config")
    if run is None:
        logging.info("%s has no config.json to compare the config with", workdir)
        return setup
    for difference in find_differences(run, to_plain(setup)):
        logging.info("config.%s", difference)
    return setup


def score_manifest(setup: Setup, manifest: Manifest) -> Setup:
    """The sections that evaluate a manifest: its size, its seed and all of its examples."""
    size = manifest.size
    logging.info(
        "The manifest's %d examples: images in %s, masks in %s",
        *(len(manifest.entries), manifest.images, manifest.masks),
    )
    if setup.data.size != size:
        logging.info("config.data.size is %d; the manifest's is used: %d", setup.data.size, size)
    data = dataclasses.replace(setup.data, size=size, resize_min=size, resize_max=size)
    evaluation = dataclasses.replace(setup.evaluation, seed=manifest.seed, count=0)
    return dataclasses.replace(setup, data=data, evaluation=evaluation)


def require_run(workdir: AnyPath) -> None:
    """Whether there is a directory that may hold a run.

    Raises:
        UserError: there is none, or it can't be looked at.
    """
    if not is_directory(workdir, "--workdir"):
        raise UserError(f"--workdir={workdir} is not a directory; train a run there first")
