"""What users get wrong: flags and files, each with what the one line that answers it must name."""

import contextlib
import dataclasses
import json
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
from PIL import Image

from madf_jax.checkpoints.ownership import exclusive
from tests.faults.jobs import SETTINGS


@dataclasses.dataclass(frozen=True)
class Mistake:
    """One of them.

    Attributes:
        flags: changes to `SETTINGS`, by key; '' is the config's file, and a name with dashes is
            another flag. `{here}` stands for a folder of its own.
        named: what the line must contain.
        prepare: makes the files in that folder; `run` in it will be the working directory.
    """

    flags: dict[str, str]
    named: tuple[str, ...]
    prepare: Callable[[Path], object] = Path.exists

    def arguments(self, here: Path) -> list[str]:
        """The flags of `train.py` after a good `--workdir`."""
        given = {key: text.replace("{here}", str(here)) for key, text in self.flags.items()}
        config = given.pop("", "configs/quickstart.py")
        others = [f"{name}={given.pop(name)}" for name in list(given) if name.startswith("-")]
        changes = {**SETTINGS, **given}
        keys = [f"--config.{key}={text}" for key, text in changes.items()]
        return [f"--config={config}", *keys, *others]


def value(key: str, given: str, *named: str, **more: str) -> Mistake:
    """A value that a key can't have."""
    return Mistake({key: given, **more}, named or (key,))


def images(count: int, folder: Path, **changes: bytes) -> None:
    """Good images, and files of the names in `changes`."""
    folder.mkdir(parents=True)
    for i in range(count):
        Image.new("RGB", (40, 40), (i, 99, 99)).save(folder / f"good{i}.png")
    for name, content in changes.items():
        (folder / name.replace("_", ".")).write_bytes(content)


def png(width: int, height: int) -> bytes:
    """A PNG that says it has so many pixels and holds none."""
    header = b"IHDR" + struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    chunk = struct.pack(">I", 13) + header + struct.pack(">I", zlib.crc32(header))
    return b"\x89PNG\r\n\x1a\n" + chunk


def folder(named: tuple[str, ...], prepare: Callable[[Path], object], **flags: str) -> Mistake:
    """Something wrong with a folder of images, `{here}/images`."""
    changes = {name.replace("__", "."): given for name, given in flags.items()}
    source = {
        "data.source": "folder",
        "data.train_path": "{here}/images",
        "data.evaluation_path": "{here}/images",
    }
    return Mistake({**source, **changes}, named, lambda here: prepare(here / "images"))


def save(path: Path, pixels: np.ndarray) -> None:
    """Saves an image."""
    Image.fromarray(pixels).save(path)


def masks(files: dict[str, np.ndarray], *named: str) -> Mistake:
    """Something wrong with a folder of masks; without files, it holds a FIFO."""

    def prepare(here: Path) -> None:
        (here / "masks").mkdir()
        for name, pixels in files.items():
            save(here / "masks" / name, pixels)
        if not files:
            os.mkfifo(here / "masks/fifo.png")

    flags = {"masks.source": "folder", "masks.train_path": "{here}/masks"}
    return Mistake(flags, named, prepare)


def weights(name: str, content: bytes, *named: str) -> Mistake:
    """A file of weights that is none."""
    return Mistake(
        {"init.weights": f"{{here}}/{name}"},
        named or (name,),
        lambda here: (here / name).write_bytes(content),
    )


def other_network(here: Path) -> None:
    """A good file of weights with one array, of no MADF."""
    np.savez(here / "other.npz", **{"params/dense/kernel": np.zeros((3, 3), np.float32)})


def pickled(here: Path) -> None:
    """An npz file whose array is a pickled object."""
    np.savez(here / "objects.npz", **{"params/x": np.array([{}], object)})  # type: ignore[arg-type]


def begun(here: Path, text: str) -> None:
    """A working directory with this in its config.json."""
    (here / "run/checkpoints/4").mkdir(parents=True)
    (here / "run/config.json").write_text(text)


def flag(name: str, given: str, *named: str, **more: str) -> Mistake:
    """Another flag that can't be used."""
    return Mistake({name: given, **more}, named or (name,))


def at_run(named: str, make: Callable[[Path], object], **more: str) -> Mistake:
    """Something that is in the way of the working directory `{here}/run`."""
    flags = {name.replace("__", "."): given for name, given in more.items()}
    return Mistake(flags, (named,), lambda here: make(here / "run"))


def hold(run: Path) -> None:
    """Locks a working directory as another training would, until this process ends."""
    run.mkdir()
    _HELD.enter_context(exclusive(run))


_HELD = contextlib.ExitStack()
_TWO_PROCESSES = {"--coordinator": "host:80", "--num_processes": "2"}

MISTAKES = {
    "key misspelt": value("training.stepz", "5", "stepz"),
    "section misspelt": value("trainning.steps", "5", "trainning"),
    "no such config": Mistake(
        {"": "configs/none.py"}, ("--config=configs/none.py: there is no such file",)
    ),
    "config is no Python": Mistake(
        {"": "{here}/broken.py"}, ("broken.py",), lambda at: (at / "broken.py").write_text("def")
    ),
    "config does not run": Mistake(
        {"": "{here}/wrong.py"},
        ("wrong.py: line 2", "many"),
        lambda here: (here / "wrong.py").write_text("def get_config():\n    return many\n"),
    ),
    "word for a number": value("training.steps", "many", "steps"),
    "no steps": value("training.steps", "0"),
    "no batch": value("training.batch_size", "0"),
    "batch of uneven parts": value(
        "training.batch_size", "5", **{"training.accumulate_steps": "2"}
    ),
    "parallel": value("training.parallel", "everywhere"),
    "batch norm": value("training.batch_norm", "none"),
    "average": value("training.ema_decay", "1.5"),
    "flag misspelt": flag("--wrkdir", "run", "--wrkdir", "did you mean --workdir?"),
    "flag of one letter": flag("-w", "run"),
    "workdir in a bucket": flag("--workdir", "s3://bucket/run", "--workdir=s3://bucket/run"),
    "workdir empty": flag("--workdir", ""),
    "workdir not UTF-8": flag("--workdir", "run\udcff", "--workdir", "UTF-8"),
    "workdir of nobody": flag("--workdir", "~nobody-of-that-name/run"),
    "process of letters": flag("--process_id", "first"),
    "config in a bucket": Mistake({"": "gs://bucket/c.py"}, ("--config=gs://bucket/c.py",)),
    "config is a directory": Mistake({"": "configs"}, ("--config=configs", "directory")),
    "config of an endless loop": Mistake(
        {"": "{here}/deep.py"},
        ("deep.py: line 2", "RecursionError"),
        lambda at: (at / "deep.py").write_text("def get_config():\n    return get_config()\n"),
    ),
    "config of nothing": Mistake(
        {"": "{here}/none.py"},
        ("none.py", "None"),
        lambda here: (here / "none.py").write_text("def get_config():\n    return None\n"),
    ),
    "config without the function": Mistake(
        {"": "{here}/x.py"}, ("x.py", "get_config"), lambda at: (at / "x.py").write_text("x = 1")
    ),
    "config is a FIFO": Mistake(
        {"": "{here}/fifo.py"}, ("fifo.py",), lambda here: os.mkfifo(here / "fifo.py")
    ),
    "key of before": value("data.colour_variation", "0.5", "data.channel_jitter"),
    "section for a key": value("training", "3"),
    "half a step": value("training.steps", "1.5"),
    "more steps than int32": value("training.steps", "3000000000"),
    "neither true nor false": value("data.flip", "maybe"),
    "nested parentheses": value("network.widths", 9999 * "(", "network.widths"),
    "words for widths": value("network.widths", "wide,narrow"),
    "widths of floats": value("network.widths", "(4.5,6)"),
    "one stroke width": value("masks.stroke_width", "(0.1,)"),
    "infinite learning rate": value("optimizer.learning_rate", "inf"),
    "infinite epsilon": value("optimizer.epsilon", "inf"),
    "infinite weight": value("objective.hole", "inf"),
    "weight of no number": value("objective.tv", "nan"),
    "no epsilon": value("optimizer.epsilon", "0"),
    "weights in a bucket": value("init.weights", "s3://bucket/w.npz"),
    "VGG in a bucket": value("init.vgg_weights", "gs://bucket/vgg.npz"),
    "images on the web": value("data.train_path", "https://host/images"),
    "masks of nobody": value("masks.evaluation_path", "~nobody-of-that-name/masks"),
    "tfds in a bucket": value("data.tfds_dir", "gs://bucket/tfds"),
    "odd seed": value("training.seed", "-1"),
    "log never": value("training.log_every", "0"),
    "keep nothing": value("training.keep_last", "0"),
    "checkpoint never": value("training.checkpoint_every", "0"),
    "accumulate": value("training.accumulate_steps", "0"),
    "profile": value("training.profile_steps", "(9,3)"),
    "skipped": value("training.max_skipped_in_row", "0"),
    "timeout": value("training.process_timeout", "0"),
    "changed config": value("training.changed_config", "maybe"),
    "depth": value("network.depth", "2"),
    "refinements": value("network.refinements", "-1"),
    "filtering": value("network.filtering", "wide"),
    "remat": value("network.remat", "all"),
    "dtype": value("network.dtype", "float31"),
    "no widths": value("network.widths", "()"),
    "even kernel": value("network.kernel_sizes", "(4,)"),
    "hidden": value("network.norm_hidden", "0"),
    "negative weight": value("objective.hole", "-1"),
    "indexing": value("objective.style_indexing", "mine"),
    "source": value("data.source", "web"),
    "size and depth": value("data.size", "20"),
    "smaller than the crop": value("data.resize_min", "8"),
    "resize upside down": value("data.resize_max", "17"),
    "color": value("data.channel_jitter", "2"),
    "crop": value("data.evaluation_crop", "fit"),
    "bad files": value("data.bad_files", "mend"),
    "bad share": value("data.max_bad_share", "2"),
    "mask source": value("masks.source", "web"),
    "mask polarity": value("masks.hole", "gray", **{"masks.source": "folder"}),
    "hole share": value("masks.hole_min", "0.9"),
    "strokes": value("masks.strokes", "(5,1)"),
    "worker processes": value("loader.num_workers", "1", "loader.num_workers", "num_threads"),
    "threads": value("loader.num_threads", "-1"),
    "learning rate": value("optimizer.learning_rate", "nan"),
    "schedule": value("optimizer.schedule", "step"),
    "beta": value("optimizer.beta1", "1"),
    "clip": value("optimizer.clip_norm", "-1"),
    "validation": value("evaluation.validation_count", "0"),
    "no folder given": Mistake({"data.source": "folder"}, ("data.train_path",)),
    "no such folder": folder(("images",), Path.exists),
    "folder is a file": folder(("images",), Path.touch),
    "empty folder": folder(("images",), Path.mkdir),
    "cut image": folder(
        ("cut.png",),
        lambda at: images(4, at, cut_png=png(40, 40)),
        data__bad_files="refuse",
    ),
    "text as image": folder(
        ("text.jpg",), lambda at: images(4, at, text_jpg=b"hello"), data__bad_files="refuse"
    ),
    "empty image": folder(
        ("empty.png",), lambda at: images(4, at, empty_png=b""), data__bad_files="refuse"
    ),
    "bomb": folder(
        ("bomb.png",),
        lambda at: images(4, at, bomb_png=png(99999, 99999)),
        data__bad_files="refuse",
    ),
    "small image": folder(("good0.png", "below 64"), lambda at: images(1, at), data__min_side="64"),
    "too many bad": folder(
        ("a.png", "data.max_bad_share"), lambda at: images(1, at, a_png=b"", b_png=b"")
    ),
    "tfds name": value("data.tfds_name", "no_such_set", "no_such_set", **{"data.source": "tfds"}),
    "tfds not prepared": value(
        "data.tfds_name",
        "celeb_a",
        "celeb_a",
        "madf-jax prepare celeb_a",
        **{"data.source": "tfds", "data.tfds_dir": "{here}"},
    ),
    "no mask folder": value(
        "masks.train_path", "{here}/masks", "masks", **{"masks.source": "folder"}
    ),
    "no masks": Mistake(
        {"masks.source": "folder", "masks.train_path": "{here}", "masks.evaluation_path": "{here}"},
        ("no images found",),
    ),
    "masks of one color": masks({"0.png": np.zeros((40, 40), np.uint8)}, "all black"),
    "labels as masks": masks({"0.png": np.tril(np.full((40, 40), 2, np.uint8))}, "0.png", "2 ("),
    "colors as masks": masks({"0.png": np.eye(3, dtype=np.uint8)[None] * 255}, "0.png", "(255, 0"),
    "transparent mask": masks({"0.png": np.zeros((40, 40, 4), np.uint8)}, "0.png", "transparent"),
    "FIFO as mask": masks({}, "fifo.png", "FIFO"),
    "FIFO as image": folder(
        ("fifo.png",),
        lambda at: (images(4, at), os.mkfifo(at / "fifo.png")),
        data__bad_files="refuse",
    ),
    "floating-point image": folder(
        ("float.tif", "floating-point"),
        lambda at: (images(4, at), save(at / "float.tif", np.ones((40, 40), np.float32))),
        data__bad_files="refuse",
    ),
    "images in a bucket": folder(("gs://b/r", "local"), Path.mkdir, data__train_path="gs://b/r"),
    "name too long": folder(("too long",), Path.mkdir, data__train_path="n" * 300),
    "no weights": value("init.weights", "{here}/none.npz", "none.npz"),
    "weights of no kind": weights("weights.txt", b"hello"),
    "text as npz": weights("weights.npz", b"hello"),
    "text as safetensors": weights("weights.safetensors", b"hello"),
    "cut safetensors": weights(
        "cut.safetensors",
        struct.pack("<Q", 70) + json.dumps({"x": {"dtype": "F32", "shape": [9]}}).encode(),
    ),
    "endless safetensors": weights("endless.safetensors", struct.pack("<Q", 2**60) + b"{}"),
    "pickled weights": Mistake({"init.weights": "{here}/objects.npz"}, ("objects.npz",), pickled),
    "other weights": Mistake({"init.weights": "{here}/other.npz"}, ("other.npz",), other_network),
    "no VGG": Mistake({"init.vgg_weights": "{here}/vgg.npz", "objective.style": "1"}, ("vgg.npz",)),
    "workdir is a file": Mistake({}, ("run",), lambda here: (here / "run").write_text("")),
    "workdir of another": Mistake(
        {}, ("another config",), lambda here: begun(here, '{"network": {"depth": 9}}')
    ),
    "another width": Mistake(
        {},
        ("network.skip_widths", "other shapes"),
        lambda here: begun(here, '{"network": {"skip_widths": [6, 9]}}'),
    ),
    "config.json nested": Mistake({}, ("config.json",), lambda here: begun(here, 100_000 * "[")),
    "config.json empty": Mistake({}, ("config.json",), lambda here: begun(here, "{}")),
    "config.json broken": Mistake({}, ("config.json",), lambda here: begun(here, "{")),
    "config.json of no config": Mistake({}, ("config.json",), lambda here: begun(here, "[]")),
    "config.json is a FIFO": at_run(
        "config.json",
        lambda run: ((run / "checkpoints/4").mkdir(parents=True), os.mkfifo(run / "config.json")),
    ),
    "config.json is a directory": at_run(
        "config.json",
        lambda run: [(run / name).mkdir(parents=True) for name in ("checkpoints/4", "config.json")],
    ),
    "config.json not UTF-8": at_run(
        "config.json",
        lambda run: (
            (run / "checkpoints/4").mkdir(parents=True),
            (run / "config.json").write_bytes(b"\xff{}"),
        ),
    ),
    "config.json of a list": Mistake({}, ("config.json",), lambda at: begun(at, '["training"]')),
    "checkpoints is a file": at_run(
        "checkpoints", lambda run: (run.mkdir(), (run / "checkpoints").write_text(""))
    ),
    "workdir is a FIFO": at_run("run", os.mkfifo),
    "workdir is a link to nothing": at_run("run", lambda run: run.symlink_to("nothing")),
    "workdir is a link to itself": at_run("run", lambda run: run.symlink_to(run)),
    "workdir below a file": flag("--workdir", "LICENSE/run", "LICENSE/run"),
    "workdir too long": flag("--workdir", "n" * 300, "n" * 300),
    "workdir in use": at_run("in use by another training: process", hold),
    "lock is a directory": at_run(
        "training.lock", lambda run: (run / "training.lock").mkdir(parents=True)
    ),
    "coordinator alone": flag("--coordinator", "host:80", "--num_processes", "--process_id"),
    "no port": flag(
        "--process_id", "0", "HOST:PORT", **{**_TWO_PROCESSES, "--coordinator": "host"}
    ),
    "process past the last": flag("--process_id", "2", "--process_id=2", **_TWO_PROCESSES),
    "images are a link to itself": folder(("images",), lambda at: at.symlink_to(at)),
    "images are a FIFO": folder(("images",), os.mkfifo),
    "no held-out images": folder(
        ("data.evaluation_path",), lambda at: images(4, at), data__evaluation_path="{here}/none"
    ),
    "masks are a file": Mistake(
        {"masks.source": "folder", "masks.train_path": "{here}/masks"},
        ("masks",),
        lambda here: (here / "masks").write_text(""),
    ),
    "white masks": masks({"0.png": np.full((40, 40), 255, np.uint8)}, "all white"),
    "weights are a directory": value("init.weights", "{here}", "holds no checkpoints"),
    "weights are a FIFO": Mistake(
        {"init.weights": "{here}/w.npz"}, ("w.npz",), lambda here: os.mkfifo(here / "w.npz")
    ),
    "header is no JSON": weights("list.safetensors", struct.pack("<Q", 2) + b"]["),
    "VGG is a directory": Mistake(
        {"init.vgg_weights": "{here}/vgg.npz", "objective.style": "1"},
        ("vgg.npz",),
        lambda here: (here / "vgg.npz").mkdir(),
    ),
    "VGG of another": Mistake(
        {"init.vgg_weights": "{here}/other.npz", "objective.style": "1"},
        ("other.npz",),
        other_network,
    ),
    "storage in bfloat16": value("network.param_dtype", "bfloat16"),
    "turned beyond a circle": value("masks.rotate_degrees", "400"),
    "trace of three steps": value("training.profile_steps", "(1,2,3)"),
    "files looked at by hash": value("data.check_files", "hash"),
    "warmup from before": value("optimizer.warmup_steps", "-1"),
}


def contents(directory: Path) -> dict[str, bytes]:
    """All files and folders of a directory, the files with their bytes."""
    return {
        str(path.relative_to(directory)): _content(path) for path in sorted(directory.rglob("*"))
    }


def _content(path: Path) -> bytes:
    if path.is_symlink():
        return str(path.readlink()).encode()
    return path.read_bytes() if path.is_file() else b""
