"""Which image is painted with which mask, and where the result goes."""

import dataclasses
from collections.abc import Callable, Sequence
from pathlib import Path

from madf_jax.data.listing import list_files, list_images, list_masks
from madf_jax.data.pairing import pair_by_name
from madf_jax.errors import UserError
from madf_jax.files import system_errors
from madf_jax.imaging.formats import format_of


@dataclasses.dataclass(frozen=True)
class Task:
    """One image to paint.

    Attributes:
        image: a file.
        mask: a file.
        output: where the result is written.
    """

    image: Path
    mask: Path
    output: Path


@dataclasses.dataclass(frozen=True)
class Plan:
    """What to do.

    Attributes:
        tasks: in the order of names.
        problems: a line for each image that can't be a task.
        remarks: what lies beside the images and is not painted.
        directory: below which results are written.
    """

    tasks: list[Task]
    problems: list[str]
    remarks: list[str]
    directory: Path


def make_plan(image: Path, mask: Path, output: Path) -> Plan:
    """Finds out which image is painted with which mask.

    Args:
        image: a file, or a directory that is searched with its subdirectories.
        mask: a file for all images, or a directory that holds a mask for each, by its name
            (`data.pairing`). If it holds the images, too, their names say what is a mask; otherwise
            all in it are masks and the others images, whatever their names.
        output: a file for one image, otherwise a directory, in which results have the names of the
            images.

    Raises:
        UserError: there is nothing to do, or `output` can't be a file or a directory as needed.
    """
    for path in (image, mask):
        with system_errors(path):
            path.stat()
    if not image.is_dir():
        target = output / image.name if output.is_dir() or not output.suffix else output
        if target == output:
            format_of(target)
        tasks, problems = _pair(image.parent, [image.name], mask, lambda name: target)
        return Plan(tasks, problems, [], target.parent)
    if output.is_file():
        raise UserError(f"{output}: is a file; the results of a directory need a directory")
    listing = list_files(image) if _is_apart(image, mask) else list_images(image)
    names = [name for name in listing.names if not _is_below(image / name, image, mask, output)]
    if not names:
        raise UserError(f"{image}: holds no images besides masks and results")
    remarks = [f"{image}: left out: {listing.left_out}"] if listing.left_out else []
    tasks, problems = _pair(image, names, mask, lambda name: output / name)
    return Plan(tasks, problems, remarks, output)


def require_other_files(tasks: Sequence[Task]) -> None:
    """Refuses to write over what is read.

    Raises:
        UserError: the result of a task is the image or the mask of one.
    """
    read = {path.resolve() for task in tasks for path in (task.image, task.mask)}
    for task in tasks:
        if task.output.resolve() in read:
            raise UserError(
                f"{task.output}: would be written over, and it is an input; "
                "choose another --output, or allow it by --overwrite"
            )


def _pair(
    root: Path, names: list[str], mask: Path, target: Callable[[str], Path]
) -> tuple[list[Task], list[str]]:
    """The tasks of images, and a line for each without one mask."""
    tasks, problems = [], []
    for name, masks in zip(names, _masks(root, names, mask), strict=True):
        if len(masks) == 1:
            tasks.append(Task(root / name, masks[0], target(name)))
        else:
            found = ", ".join(str(path.relative_to(mask)) for path in masks) or "none"
            problems.append(f"{root / name}: needs one mask in {mask}, found {found}")
    return tasks, problems


def _masks(root: Path, names: list[str], mask: Path) -> list[list[Path]]:
    """The masks of each image."""
    if not mask.is_dir():
        return [[mask]] * len(names)
    listing = list_files(mask) if _is_apart(root, mask) else list_masks(mask)
    images = {(root / name).resolve() for name in names}
    masks = [name for name in listing.names if (mask / name).resolve() not in images]
    return [[mask / masks[index] for index in found] for found in pair_by_name(names, masks)]


def _is_apart(images: Path, masks: Path) -> bool:
    """Whether masks lie in a directory of their own, which may be one below that of the images."""
    return masks.is_dir() and not images.resolve().is_relative_to(masks.resolve())


def _is_below(path: Path, root: Path, *others: Path) -> bool:
    """Whether a path is one of some files, or in one of some directories below `root`."""
    below = [other.resolve() for other in others if root.resolve() in other.resolve().parents]
    return any(path.resolve().is_relative_to(other) for other in below)
