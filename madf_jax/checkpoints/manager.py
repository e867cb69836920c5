"""Orbax checkpoints of a run: saved asynchronously, checked when read, last and best kept."""

import contextlib
import dataclasses
import shutil
import textwrap
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Self, TypeVar

import jax
import jax.numpy as jnp
import numpy as np
import orbax.checkpoint as ocp
from absl import logging
from jax import lax
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import preservation_policy as preservation

from madf_jax.errors import UserError
from madf_jax.files import system_errors
from madf_jax.state.train_state import TrainState

T = TypeVar("T")
METRIC = "psnr"
_DIRECTORY = "checkpoints"
_NAMED = 5
_ROOM = 16 * 2**20  # bytes, of files beside the arrays


@dataclasses.dataclass(frozen=True)
class Restored:
    """A checkpoint that was read.

    Attributes:
        step: steps taken.
        state: the tree that was asked for.
        notes: the JSON-able facts that were saved beside the state.
    """

    step: int
    state: Any
    notes: dict[str, Any]


class Checkpoints:
    """The checkpoints in a working directory.

    A context manager: leaving it waits for the last one to be written.
    """

    def __init__(self, workdir: Path, *, keep_last: int = 1, read_only: bool = False) -> None:
        """Opens `workdir/checkpoints`.

        Args:
            workdir: of the run.
            keep_last: how many of the newest to keep, beside the best by `METRIC`.
            read_only: leave everything as it is, damaged checkpoints too.
        """
        self._read_only = read_only
        self._directory = workdir.absolute() / _DIRECTORY
        best = preservation.BestN(
            get_metric_fn=lambda metrics: metrics[METRIC],
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        options = ocp.CheckpointManagerOptions(
            create=not read_only,
            read_only=read_only,
            cleanup_tmp_directories=not read_only,
            preservation_policy=preservation.AnyPreservationPolicy(
                [preservation.LatestN(keep_last), best]
            ),
            best_fn=lambda metrics: metrics[METRIC],
        )
        self._manager = ocp.CheckpointManager(self._directory, options=options)

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Waits for what is being written, then closes.

        Raises:
            UserError: it could not be written; told only in the log if there is an error already.
        """
        if kind is not None and jax.process_count() > 1:
            return  # the others may have gone, and they would be waited for
        try:
            with self._told():
                self._manager.wait_until_finished()
                self._manager.close()
        except UserError as error:
            if kind is None:
                raise
            logging.error("%s", error)

    @contextlib.contextmanager
    def _told(self) -> Iterator[None]:
        """Tells what went wrong with writing, also in the background, in one line."""
        try:
            yield
        except Exception as error:  # whatever Orbax and TensorStore raise for a full disk, say
            if isinstance(error, jax.errors.JaxRuntimeError) and jax.process_count() > 1:
                raise  # another process has gone
            steps = self._manager.all_steps()
            whole = f"the last whole one is step {max(steps)}" if steps else "there is none yet"
            remedy = "make room or mend the place, and start again"
            if jax.process_count() > 1:
                # A partner that is lost during a save is not always a JaxRuntimeError.
                remedy = f"if another process has ended, start all of them again; else {remedy}"
            raise UserError(
                f"{self._directory}: a checkpoint can't be written: {_line(error)}. Nothing else "
                f"is lost: {whole}. To go on: {remedy}"
            ) from None

    def _require_room(self, state: TrainState) -> None:
        # Orbax notices a full disk too, in many threads and with many words.
        needed = _ROOM + sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        free = shutil.disk_usage(self._directory).free
        if free < needed:
            raise OSError(f"it may take {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free")

    def check(self) -> None:
        """Raises UserError if a checkpoint that was being written has failed since."""
        with self._told():
            self._manager.check_for_errors()

    def save(
        self, state: TrainState, notes: dict[str, Any], metrics: dict[str, float] | None = None
    ) -> None:
        """Saves in the background; a step that is already there is left alone.

        Args:
            state: replicated over all devices.
            notes: JSON-able facts to keep beside it.
            metrics: of a validation at this step, with `METRIC`; None if there was none.

        Raises:
            UserError: this one or the one before can't be written.
        """
        step = int(state.step)
        if step == self._manager.latest_step():
            return
        with self._told():
            self._require_room(state)
        facts = {"notes": notes, "arrays": describe(state), "digest": digest(state)}
        with self._told():
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state), facts=ocp.args.JsonSave(facts)
                ),
                metrics=metrics,
                force=True,
            )

    def reached_preemption(self, step: int) -> bool:
        """Whether the scheduler will soon take the machines (with `jax.distributed` only)."""
        return self._manager.reached_preemption(step)

    def restore(self, abstract: TrainState) -> Restored | None:
        """Reads the newest checkpoint that is whole; None if there is none.

        A damaged one is reported, set aside as `damaged-STEP` (unless `read_only`), and the one
        before it is read.

        Args:
            abstract: shapes, dtypes and shardings of the state.

        Raises:
            UserError: the checkpoint holds other arrays than `abstract`, so it belongs to another
            config; it can't be read now, though it may be whole; or every one is damaged.
        """
        return self.newest(lambda step: self._restore(step, abstract))

    def newest(self, read: Callable[[int], T]) -> T | None:
        """Reads the newest checkpoint that is whole, as `restore` does, with another function.

        Args:
            read: of the checkpoint of a step; raises anything but UserError if it is damaged.
        """
        steps, damaged = sorted(self._manager.all_steps(), reverse=True), []
        for step in steps:
            try:
                restored = read(step)
            except (UserError, MemoryError, jax.errors.JaxRuntimeError):
                raise  # out of memory is no damage
            except Exception as error:  # damaged files make Orbax raise almost anything
                if isinstance(error, OSError) and not isinstance(error, FileNotFoundError):
                    raise UserError(
                        f"{self._directory / str(step)} can't be read: {error}. Nothing was "
                        "changed: start again when it can"
                    ) from None
                logging.error("Checkpoint %d in %s is damaged: %s", step, self._directory, error)
                damaged.append(step)
                continue
            # Only now: if none can be read, the fault may lie elsewhere.
            if damaged and not self._read_only:
                self._set_aside(damaged)
            return restored
        if steps:
            remedy = "start again with another --workdir"
            if jax.process_count() > 1:
                remedy = f"if another process has ended, start all of them again; else {remedy}"
            raise UserError(
                f"{self._directory}: all of its {len(steps)} checkpoints are damaged; {remedy}"
            )
        return None

    def at(self, step: int, read: Callable[[int], T]) -> T:
        """Reads the checkpoint of a step, and no other in its place.

        Args:
            step: one of `steps`.
            read: as in `newest`.

        Raises:
            UserError: it is damaged or can't be read now, or `read` raised it.
        """
        try:
            return read(step)
        except (UserError, MemoryError, jax.errors.JaxRuntimeError):
            raise
        except Exception as error:  # damaged files make Orbax raise almost anything
            is_damage = isinstance(error, FileNotFoundError) or not isinstance(error, OSError)
            what = "is damaged" if is_damage else "can't be read"
            raise UserError(f"{self.path(step)}: {what}: {_line(error)}") from None

    @property
    def steps(self) -> list[int]:
        """Steps of the checkpoints, in order."""
        return sorted(self._manager.all_steps())

    @property
    def best_step(self) -> int | None:
        """Step of the checkpoint with the best validation; None before the first validation."""
        return self._manager.best_step()

    def path(self, step: int) -> Path:
        """Directory of the checkpoint of a step."""
        return self._directory / str(step)

    def _set_aside(self, steps: list[int]) -> None:
        """Renames checkpoints, so that their steps can be saved again and nothing is lost."""
        if jax.process_index() == 0:
            for step in steps:
                place = self._directory / f"damaged-{step}"
                shutil.rmtree(place, ignore_errors=True)  # of the same step, from an earlier start
                (self._directory / str(step)).replace(place)
        multihost_utils.sync_global_devices("damaged checkpoints are set aside")
        self._manager.reload()

    def _restore(self, step: int, abstract: TrainState) -> Restored:
        facts = self._manager.restore(step, args=ocp.args.Composite(facts=ocp.args.JsonRestore()))
        facts = facts["facts"]
        require_arrays(self._directory / str(step), facts["arrays"], describe(abstract))
        args = ocp.args.Composite(state=ocp.args.StandardRestore(abstract))
        state = self._manager.restore(step, args=args)["state"]
        if digest(state) != facts["digest"]:
            raise ValueError("its bytes are not those that were saved")
        return Restored(step, state, facts["notes"])


def saved_steps(workdir: Path) -> list[int]:
    """Steps of the checkpoints in a working directory, in order, be they damaged.

    Raises:
        UserError: the directory can't be read.
    """
    directory = workdir / _DIRECTORY
    with system_errors(directory):
        try:
            names = [path.name for path in directory.iterdir()]
        except FileNotFoundError:
            return []
    return sorted(int(name) for name in names if name.isdecimal())


def read_checkpoint(path: Path) -> Restored:
    """Reads one checkpoint without its run's config, onto the host.

    Args:
        path: `workdir/checkpoints/STEP`.

    Returns:
        The state as plain nested dicts, lists and NumPy arrays.

    Raises:
        UserError: it is no checkpoint of a run, or it is damaged.
    """
    try:
        with ocp.Checkpointer(ocp.JsonCheckpointHandler()) as reader:
            facts = reader.restore(path.absolute() / "facts")
        with ocp.Checkpointer(ocp.PyTreeCheckpointHandler()) as reader:
            saved = reader.metadata(path.absolute() / "state").item_metadata.tree
            # As NumPy arrays, since the devices of the run may not be here.
            arrays = jax.tree.map(lambda _: ocp.RestoreArgs(restore_type=np.ndarray), saved)
            state = reader.restore(
                path.absolute() / "state", args=ocp.args.PyTreeRestore(restore_args=arrays)
            )
        leaves = dict(zip(describe(state), jax.tree.leaves(state), strict=True))
        whole = describe(state) == facts["arrays"]
        whole = whole and digest([leaves[name] for name in facts["arrays"]]) == facts["digest"]
        step, notes = int(state["step"]), facts["notes"]
    except Exception as error:  # damaged files make Orbax raise almost anything
        raise UserError(f"{path}: is no checkpoint of a run, or damaged: {_line(error)}") from None
    if not whole:
        raise UserError(f"{path}: is damaged: its bytes are not those that were saved")
    return Restored(step, state, notes)


def _line(error: Exception) -> str:
    # TensorStore ends with where in its source something happened, and the reason before.
    text = str(error).partition("[source locations=")[0] or type(error).__name__
    return textwrap.shorten(text, width=300, placeholder=" ...")


def describe(tree: Any) -> dict[str, str]:
    """Name, dtype and shape of every array of a tree: `{"params/...": "float32[3,3]"}`."""
    return {
        jax.tree_util.keystr(path, simple=True, separator="/"): (
            f"{leaf.dtype}[{','.join(map(str, leaf.shape))}]"
        )
        for path, leaf in jax.tree_util.tree_leaves_with_path(tree)
    }


def digest(tree: Any) -> list[int]:
    """A checksum for each array, computed where the array is; one changed word changes it."""
    return np.asarray(_digest(tree)).tolist()


@jax.jit
def _digest(tree: Any) -> jax.Array:
    return jnp.stack([_checksum(leaf) for leaf in jax.tree.leaves(tree)])


def _checksum(x: jax.Array) -> jax.Array:
    word = jnp.uint16 if x.dtype.itemsize == 2 else jnp.uint32
    words = lax.bitcast_convert_type(x, word).reshape(-1).astype(jnp.uint32)
    # Odd factors have inverses modulo 2**32, so no change of one word can vanish; differing ones
    # also catch swapped words.
    factors = 2 * jnp.arange(words.size, dtype=jnp.uint32) + 1
    return jnp.sum(words * factors, dtype=jnp.uint32)


def require_arrays(path: Path, saved: dict[str, str], wanted: dict[str, str]) -> None:
    """Compares what `describe` says of a checkpoint with what a config needs.

    Raises:
        UserError: they differ; the message names the first arrays.
    """
    if saved == wanted:
        return
    names = [name for name in sorted({*saved, *wanted}) if saved.get(name) != wanted.get(name)]
    shown = "; ".join(
        f"{name}: {saved.get(name, 'absent')} there, {wanted.get(name, 'absent')} by the config"
        for name in names[:_NAMED]
    )
    more = f"; and {len(names) - _NAMED} more" if len(names) > _NAMED else ""
    raise UserError(
        f"{path} was written by another config ({shown}{more}); "
        "use its own config, or another --workdir"
    )
