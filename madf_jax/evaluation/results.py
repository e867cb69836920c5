"""Results of other programs as methods: every file is checked before one is scored."""

import dataclasses
import json
import re
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

import numpy as np
from absl import logging
from PIL import Image

from madf_jax.data.decoding import EXTENSIONS, ImageError, opened, orientation
from madf_jax.data.images import read_image
from madf_jax.data.listing import count_of, summarize
from madf_jax.errors import UserError, escape
from madf_jax.evaluation.evaluator import NETWORK
from madf_jax.evaluation.manifest import Manifest
from madf_jax.evaluation.many_files import SHOWN, map_files
from madf_jax.files import local_path
from madf_jax.inference.classical import CLASSICAL
from madf_jax.inference.inpaint import Inpaint
from madf_jax.inference.results_folder import ResultsFolder
from madf_jax.processes import gather

FAR = 20.0
"""Mean difference of known pixels, of 255, from which a result may be of another image."""

_MODES = ("RGB", "L")
_JPEG, _GRAY = "JPEG files, whose compression is scored, too", "gray"
_NAMED = re.compile(r"([A-Za-z0-9][A-Za-z0-9_.+-]{0,63})=(.*)", re.DOTALL)


@dataclasses.dataclass(frozen=True)
class CheckedResults:
    """A folder of results as a `Method`, which remembers those that look wrong.

    Attributes:
        folder: of results, one for each example.
        far: known pixels of these examples' results are far from the image's, by id: the mean
            difference. Filled while results are read.
    """

    folder: ResultsFolder
    far: dict[str, float] = dataclasses.field(default_factory=dict)

    def __call__(self, ids: Sequence[str]) -> Inpaint:
        """The `Inpaint` that gives the results for the examples of these ids."""
        read = self.folder(ids)

        def inpaint(images: np.ndarray, masks: np.ndarray) -> np.ndarray:
            painted = read(images, masks)
            for id, *arrays in zip(ids, images, painted, masks, strict=True):
                if (difference := _known_difference(*arrays)) > FAR:
                    self.far[id] = round(difference, 1)
            return painted

        return inpaint

    def exchange(self) -> None:
        """Makes what any process has found far known to all of them; all must call it."""
        for text in gather(json.dumps(self.far)):
            self.far.update(json.loads(text))

    def warn(self, method: str) -> None:
        """Logs the results that look wrong."""
        if self.far:
            shown = [f"{id} ({difference})" for id, difference in sorted(self.far.items())]
            logging.warning(
                "%s: %d results differ from their image outside of the hole, by more than %d of "
                "255 on average; are they of other images or masks? %s",
                *(escape(method), len(self.far), FAR, escape(summarize(shown, SHOWN))),
            )


def name_results(given: Sequence[str]) -> dict[str, Path]:
    """The folders of the flag `--results` by the method that tables call each.

    Args:
        given: `NAME=DIR`, or `DIR`, whose own name is taken.

    Raises:
        UserError: a path can't be used, or two methods have one name.
    """
    folders: dict[str, Path] = {}
    for text in given:
        match = _NAMED.fullmatch(text)
        folder = local_path(match[2] if match else text, "--results")
        name = match[1] if match else folder.resolve().name
        if name in (NETWORK, *CLASSICAL, *folders):
            raise UserError(
                f"--results={text}: there is another method {name}; name it, --results=NAME=DIR"
            )
        folders[name] = folder
    return folders


def open_results(
    folders: Mapping[str, Path], manifest: Manifest | None
) -> dict[str, CheckedResults]:
    """Checks the folders of results, by the method that each holds.

    Raises:
        UserError: there is no manifest to say what they are results for; or a folder lacks results
            or has some that can't be scored, each of which is logged with its reason.
    """
    if folders and manifest is None:
        raise UserError(
            "--results needs --manifest, the file that says which image and mask each result is "
            "for; `madf-jax manifest` makes it"
        )
    return {
        method: _open(folder, f"--results={folder}", manifest)
        for method, folder in folders.items()
        if manifest is not None
    }


class _Finding(NamedTuple):
    """What a file is like.

    Attributes:
        fault: its kind; '' for a result that can be scored.
        reason: of the fault.
        remark: on a result that can be scored; '' for most.
    """

    fault: str = ""
    reason: str = ""
    remark: str = ""


def _open(directory: Path, shown: str, manifest: Manifest) -> CheckedResults:
    folder = ResultsFolder(directory, "--results")
    ids = [entry.id for entry in manifest.entries]
    found = map_files(lambda id: _inspect(folder, id, manifest.size), ids, "results", "try again")
    findings = dict(zip(ids, found, strict=True))
    others = folder.others(set(ids))
    unused = (
        f"{count_of(len(others), 'file')} there named like no example of the manifest: "
        f"{summarize(others)}"
    )
    faults = {id: finding for id, finding in findings.items() if finding.fault}
    for id, finding in faults.items():
        logging.error("%s", escape(f"{shown}: {id}: {finding.reason}"))
    if faults:
        kinds = Counter(finding.fault for finding in faults.values())
        counted = ", ".join(f"{count} {kind}" for kind, count in kinds.most_common())
        raise UserError(
            f"{shown}: {len(faults)} of {count_of(len(ids), 'result')} can't be scored: "
            f"{counted}; each is named above" + (f". {unused}" if others else "")
        )
    if others:
        logging.warning("%s", escape(f"{shown}: {unused}; they are not scored"))
    for remark in sorted({finding.remark for finding in found} - {""}):
        those = [id for id, finding in findings.items() if finding.remark == remark]
        text = f"{shown}: {count_of(len(those), 'result')} are {remark}: {summarize(those)}"
        logging.warning("%s", escape(text))
    return CheckedResults(folder)


def _inspect(folder: ResultsFolder, id: str, size: int) -> _Finding:
    path = folder.find(id)
    if path is None:
        reason = f"there is no result{_of_other_type(folder.directory, id)}"
        return _Finding("missing", reason)
    try:
        with opened(path, None) as image:
            if image.size != (size, size):
                width, height = image.size
                reason = f"{path}: is {width}x{height} pixels, not {size}x{size}"
                return _Finding("of another size", reason)
            if reason := _wrong_form(image):
                return _Finding("of another format", f"{path}: {reason}; save it as 8-bit RGB")
            remark = _JPEG if image.format == "JPEG" else _GRAY if image.mode == "L" else ""
        read_image(path)
    except ImageError as error:
        return _Finding("unreadable", str(error))
    return _Finding(remark=remark)


def _wrong_form(image: Image.Image) -> str:
    """Why pixels would not be scored as they are stored; '' if they would."""
    if getattr(image, "n_frames", 1) > 1:
        return "has several frames"
    if orientation(image) != 1:
        return "has an EXIF orientation, which not all programs apply"
    if image.mode == "RGBA":
        return "" if image.getchannel("A").getextrema() == (255, 255) else "is transparent"
    if image.mode not in _MODES or image.has_transparency_data:
        return f"has pixels of the kind {image.mode}"
    return ""


def _of_other_type(directory: Path, id: str) -> str:
    """Names files beside the missing result that have its name and another suffix."""
    place = directory / id
    try:
        found = sorted(
            file.name
            for file in place.parent.iterdir()
            if file.stem == place.name and file.suffix.lower() not in EXTENSIONS
        )
    except OSError:
        return ""
    return f", only {summarize(found)}" if found else ""


def _known_difference(image: np.ndarray, painted: np.ndarray, mask: np.ndarray) -> float:
    known = mask[..., 0] > 0
    if not known.any():
        return 0.0
    return float(np.mean(np.abs(image[known].astype(np.int16) - painted[known])))
