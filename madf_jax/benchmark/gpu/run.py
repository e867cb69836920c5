"""The command `gpu-report`: measures what the time allows, and writes after every row."""

import contextlib
import dataclasses
import os
import signal
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import jax
from tqdm import tqdm

from madf_jax.benchmark.gpu.flop import FlopCounts
from madf_jax.benchmark.gpu.launch import describe_card, measure
from madf_jax.benchmark.gpu.page import JSON, LOG, MARKDOWN, Page
from madf_jax.benchmark.gpu.series import Series, all_series, share
from madf_jax.benchmark.gpu.training import train_for
from madf_jax.benchmark.gpu.worker import Task
from madf_jax.benchmark.reference import make_network
from madf_jax.errors import UserError
from madf_jax.files import prepare_target

_MULTIPLE = 128  # of the sides: the published network halves them seven times
_TRAINING_SECONDS, _TRAINING_SHARE = 180.0, 0.3
_SAVING_SECONDS = 15.0
_COUNTING_SECONDS = 10.0
_BEFORE_TRAINING = 2  # series


@dataclasses.dataclass(frozen=True)
class Request:
    """What to measure.

    Attributes:
        sizes: sides of the images, the more important first.
        minutes: for everything.
        reference: a checkout of the PyTorch reference to compare with.
        platform: JAX's name of it; 'cpu' to try the command out.
        largest: no batch is larger.
        config: of the real training.
    """

    sizes: Sequence[int]
    minutes: float
    reference: Path | None
    platform: str
    largest: int
    config: str


def report_gpu(request: Request, output: Path, command: str) -> int:
    """Measures until the time is up; `output` holds what is known so far at any moment.

    Args:
        request: what to measure.
        output: directory of gpu.json, gpu.md and training.log.
        command: for the page.

    Returns:
        0, or 1 if nothing could be measured.

    Raises:
        UserError: there is no GPU, a size or the checkout does not fit, PyTorch is missing, or the
            report can't be written.
    """
    deadline = time.monotonic() + 60 * request.minutes
    _check(request, output)
    jax.config.update("jax_platforms", "cpu")  # of this process, which leaves the card to others
    with tempfile.TemporaryDirectory(prefix="madf-jax-") as folder, _ending_all():
        cache = Path(os.environ.get("JAX_COMPILATION_CACHE_DIR", folder)).absolute()
        card = describe_card(Task(None, None, request.platform, 1), cache)
        every = all_series(request.sizes, with_reference=request.reference is not None)
        flop = FlopCounts(dict.fromkeys((series.what, series.size) for series in every))
        page = Page(command, card, flop, waiting=every)
        _Session(request, page, output, cache, deadline).measure_all()
        flop.finish(_COUNTING_SECONDS)
        page.write(output)
    print(page.to_markdown())
    print("wrote", output / JSON, output / MARKDOWN)
    return 0 if any(row.seconds for row in page.rows) else 1


@contextlib.contextmanager
def _ending_all() -> Iterator[None]:
    """Lets SIGTERM interrupt as Ctrl-C does, so that what was started ends, too."""
    before = signal.signal(signal.SIGTERM, signal.default_int_handler)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


def _check(request: Request, output: Path) -> None:
    for name in (JSON, MARKDOWN, LOG):
        prepare_target(output / name, "--output")
    for size in request.sizes:
        if size < 1 or size % _MULTIPLE:
            raise UserError(f"--size={size}: use multiples of {_MULTIPLE}")
    if request.reference is not None:
        make_network(request.reference)  # now and not after minutes: it may be no checkout


@dataclasses.dataclass(frozen=True)
class _Session:
    """Measures one thing after another and keeps the page up to date."""

    request: Request
    page: Page
    output: Path
    cache: Path
    deadline: float

    def measure_all(self) -> None:
        """Every series that the time allows, and the training."""
        every = self.page.waiting
        training = min(_TRAINING_SECONDS, _TRAINING_SHARE * 60 * self.request.minutes)
        reserved = training + _SAVING_SECONDS
        for index, series in enumerate(tqdm(every, desc="gpu-report", unit="series")):
            if index == _BEFORE_TRAINING:
                self._train(training)
                reserved = 0.0
            left = self.deadline - reserved - time.monotonic()
            if left <= 0:
                break
            self.page.waiting = every[index + 1 :]
            self._measure(series, share(every[index:], left))

    def _measure(self, series: Series, seconds: float) -> None:
        request = self.request
        reference = None if request.reference is None else str(request.reference.absolute())
        task = Task(series, reference, request.platform, request.largest)
        for row in measure(task, self.cache, seconds):
            self.page.rows.append(row)
            self.page.write(self.output)

    def _train(self, seconds: float) -> None:
        request, log = self.request, self.output / LOG
        self.page.training = train_for(seconds, request.config, request.platform, self.cache, log)
        self.page.write(self.output)
