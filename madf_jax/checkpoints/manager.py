"""Orbax checkpoints of a run: saved asynchronously, read back, the last ones and the best kept."""

import contextlib
import shutil
import time
from collections.abc import Callable, Iterator
from typing import Any, Self, TypeVar

import jax
import orbax.checkpoint as ocp
from absl import logging
from etils import epath
from jax.experimental import multihost_utils
from orbax.checkpoint.checkpoint_managers import preservation_policy as preservation

from madf_jax.checkpoints.integrity import describe, digest, require_arrays
from madf_jax.checkpoints.plain_path import plain_path
from madf_jax.checkpoints.reading import Restored, first_words, verify
from madf_jax.errors import UserError
from madf_jax.files import AnyPath, absolute, in_bucket, system_errors
from madf_jax.state.train_state import TrainState

T = TypeVar("T")
METRIC = "psnr"
_DIRECTORY = "checkpoints"
_ROOM = 16 * 2**20  # bytes, of files beside the arrays


class Checkpoints:
    """The checkpoints in a working directory.

    A context manager: leaving it waits for the last one to be written and read back.
    """

    def __init__(self, workdir: AnyPath, *, keep_last: int = 1, read_only: bool = False) -> None:
        """Opens `workdir/checkpoints`.

        Args:
            workdir: of the run.
            keep_last: how many of the newest to keep, beside the best by `METRIC`.
            read_only: leave everything as it is, damaged checkpoints too.

        Raises:
            UserError: the directory can't be made or read.
        """
        self._read_only = read_only
        self._directory = absolute(workdir) / _DIRECTORY
        self._writing: tuple[int, dict[str, Any]] = (0, {})  # the step being saved, and its facts
        self._unreported: tuple[int, float] | None = None  # that step, and when it was begun
        self._write_failed = False
        self._resources = contextlib.ExitStack()
        with system_errors(self._directory):
            if not read_only:
                self._directory.mkdir(parents=True, exist_ok=True)
            self._plain = self._resources.enter_context(plain_path(self._directory))
            self._manager = ocp.CheckpointManager(self._plain, options=self._options(keep_last))

    def _options(self, keep_last: int) -> ocp.CheckpointManagerOptions:
        best = preservation.BestN(
            get_metric_fn=lambda metrics: metrics[METRIC],
            n=1,
            keep_checkpoints_without_metrics=False,
        )
        return ocp.CheckpointManagerOptions(
            create=not self._read_only,
            read_only=self._read_only,
            cleanup_tmp_directories=not self._read_only,
            preservation_policy=preservation.AnyPreservationPolicy(
                [preservation.LatestN(keep_last), best]
            ),
            best_fn=lambda metrics: metrics[METRIC],
            # Process 0 calls it before a checkpoint gets its name and before others are deleted.
            async_options=ocp.AsyncOptions(post_finalization_callback=self._verify),
        )

    def __enter__(self) -> Self:
        """Itself."""
        return self

    def __exit__(self, kind: object, *_: object) -> None:
        """Waits for what is being written, then closes.

        Raises:
            UserError: it could not be written; only logged if there is another error already.
        """
        is_known = self._write_failed
        with self._resources:
            if kind is not None and jax.process_count() > 1:
                return  # the others may have gone, and they would be waited for
            try:
                self._finish()
                with self._write_errors():  # Orbax raises some errors again
                    self._manager.close()
            except UserError as error:
                if kind is None:
                    raise
                if not is_known:
                    logging.error("%s", error)

    @contextlib.contextmanager
    def _write_errors(self) -> Iterator[None]:
        """Turns what went wrong with writing, also in the background, into one line."""
        try:
            yield
        except Exception as error:  # whatever Orbax and TensorStore raise for a full disk, say
            self._unreported = None
            self._write_failed = True
            if isinstance(error, jax.errors.JaxRuntimeError) and jax.process_count() > 1:
                raise  # another process has gone
            steps = saved_steps(self._directory.parent)
            intact = f"the last intact one is step {max(steps)}" if steps else "there is none yet"
            place = "bucket" if in_bucket(self._directory) else "directory"
            remedy = f"make room or fix the {place}, and start again"
            if jax.process_count() > 1:
                # A partner that is lost during a save is not always a JaxRuntimeError.
                remedy = f"if another process has ended, start all of them again; else {remedy}"
            raise UserError(
                f"{self._directory}: a checkpoint can't be written: {first_words(error)}. Nothing "
                f"else is lost: {intact}. To continue: {remedy}"
            ) from None

    def _require_room(self, state: TrainState) -> None:
        if in_bucket(self._directory):
            return
        # Orbax notices a full disk too, in many threads and with many words.
        needed = _ROOM + sum(leaf.nbytes for leaf in jax.tree.leaves(state))
        free = shutil.disk_usage(self._directory).free
        if free < needed:
            raise OSError(f"it may take {needed / 1e6:.0f} MB, and {free / 1e6:.0f} MB are free")

    def check(self) -> None:
        """Logs a checkpoint that has been written since.

        Raises:
            UserError: it could not be written, or did not read back as it was.
        """
        if not self._manager.is_saving_in_progress():
            self._finish()

    def _finish(self) -> None:
        """Waits until the last checkpoint is written and read back, and logs that; or raises."""
        with self._write_errors():
            self._manager.wait_until_finished()
        if self._unreported is not None:
            step, began = self._unreported
            logging.info("Saved checkpoint %d (within %.1f s)", step, time.monotonic() - began)
            self._unreported = None

    def save(
        self, state: TrainState, notes: dict[str, Any], metrics: dict[str, float] | None = None
    ) -> None:
        """Saves in the background; a step that is already there is left alone.

        The checkpoint appears, and older ones are deleted, once it has been read back.

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
        self._finish()
        with self._write_errors():
            self._require_room(state)
            self._unreported = (step, time.monotonic())
            facts = {"notes": notes, "arrays": describe(state), "digest": digest(state)}
            self._writing = (step, facts)
            self._manager.save(
                step,
                args=ocp.args.Composite(
                    state=ocp.args.StandardSave(state), facts=ocp.args.JsonSave(facts)
                ),
                metrics=metrics,
                force=True,
            )

    def _verify(self) -> None:
        step, facts = self._writing
        # In a bucket a directory gets no other name; a marker in it says that it is complete.
        suffix = "" if in_bucket(self._plain) else ocp.utils.TMP_DIR_SUFFIX
        verify(self._plain / f"{step}{suffix}", facts)

    def reached_preemption(self, step: int) -> bool:
        """Whether the scheduler will soon take the machines (with `jax.distributed` only)."""
        return self._manager.reached_preemption(step)

    def restore(self, abstract: TrainState) -> Restored | None:
        """Reads the newest intact checkpoint; None if there is no checkpoint.

        A damaged one is reported, set aside as `damaged-STEP` (unless `read_only`), and the one
        before it is read.

        Args:
            abstract: shapes, dtypes and shardings of the state.

        Raises:
            UserError: the checkpoint holds other arrays than `abstract`, so it belongs to another
            config; it can't be read at the moment, though it may be intact; or all are damaged.
        """
        return self.newest(lambda step: self._restore(step, abstract))

    def newest(self, read: Callable[[int], T]) -> T | None:
        """Reads the newest intact checkpoint, as `restore` does, with another function.

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
            raise UserError(f"{self.path(step)}: {what}: {first_words(error)}") from None

    @property
    def steps(self) -> list[int]:
        """Steps of the checkpoints, in order."""
        return sorted(self._manager.all_steps())

    @property
    def best_step(self) -> int | None:
        """Step of the checkpoint with the best validation; None before the first validation."""
        return self._manager.best_step()

    def path(self, step: int) -> AnyPath:
        """Directory of the checkpoint of a step."""
        return self._directory / str(step)

    def _set_aside(self, steps: list[int]) -> None:
        """Renames checkpoints, so that their steps can be saved again and nothing is lost."""
        if jax.process_index() == 0:
            for step in steps:
                place = self._directory / f"damaged-{step}"
                if place.exists():  # of the same step, from an earlier start
                    epath.Path(place).rmtree()
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


def saved_steps(workdir: AnyPath) -> list[int]:
    """Steps of the checkpoints in a working directory, in order, be they damaged.

    Raises:
        UserError: the directory can't be read.
    """
    directory = workdir / _DIRECTORY
    with system_errors(directory):
        try:
            places = [path for path in directory.iterdir() if path.name.isdecimal()]
            if in_bucket(directory):
                places = [place for place in places if ocp.utils.is_checkpoint_finalized(place)]
        except FileNotFoundError:
            return []
    return sorted(int(place.name) for place in places)
