"""How deep and how wide a generator is, and how to tell from the names and shapes in a file."""

from __future__ import annotations

import dataclasses
import re
import statistics
from collections.abc import Iterable, Mapping

from madf_jax.errors import UserError
from madf_jax.network import MADF
from madf_jax.weights.checks import Shape, listed

# Far beyond use (2^32 pixels a side): a hostile file must not make the table endless.
_MOST_LEVELS = 32
_MOST_REFINEMENTS = 1000

_LEVEL = re.compile(
    r"(?:^(?:filter_gen|enc_conv|enc_up|deconv|att_conv|dec_ref\d+)_|/level_)(\d+)(?:[./]|$)"
)
_REFINEMENT = re.compile(r"(?:^dec_ref(\d+)_|refinement_decoder_(\d+)/)")


@dataclasses.dataclass(frozen=True)
class Widths:
    """How deep and how wide a network is; everything else of its shapes follows.

    Attributes:
        kernel_sizes: side of the window of each level of the encoder.
        filters: channels each level of the encoder puts out.
        skips: channels each level hands to the decoders.
        refinements: number of refinement decoders.
        mask_channels: channels of the mask's features.
        modulation: hidden channels of each point-wise normalization.
    """

    kernel_sizes: tuple[int, ...]
    filters: tuple[int, ...]
    skips: tuple[int, ...]
    refinements: int
    mask_channels: int = 16
    modulation: int = 128

    @property
    def depth(self) -> int:
        """Number of levels."""
        return len(self.kernel_sizes)

    @classmethod
    def paper(cls, depth: int = 7, refinements: int = 2) -> Widths:
        """The published widths; levels beyond the published ones repeat the last.

        Raises:
            UserError: fewer than 3 levels or a negative number of decoders.
        """
        if depth < 3 or refinements < 0:
            raise UserError(
                f"depth must be at least 3 and refinements at least 0, got {depth}, {refinements}"
            )
        more = max(0, depth - 5)
        return cls(
            kernel_sizes=((7, 5, 3, 3, 3) + (3,) * more)[:depth],
            filters=((16, 32, 64, 128, 128) + (128,) * more)[:depth],
            skips=((64, 128, 256, 512, 512) + (512,) * more)[:depth],
            refinements=refinements,
        )

    def network(self) -> MADF:
        """The network of these widths."""
        return MADF(
            depth=self.depth,
            refinements=self.refinements,
            kernel_sizes=self.kernel_sizes,
            widths=self.filters,
            skip_widths=self.skips,
            mask_width=self.mask_channels,
            hidden=self.modulation,
        )


def infer_depth_and_refinements(names: Iterable[str]) -> tuple[int, int]:
    """How many levels and refinement decoders names speak of, the reference's or ours.

    Raises:
        UserError: the names are not a generator's.
    """
    names = list(names)
    # Distinct numbers are counted, not the largest taken: one odd name then adds one level.
    levels = {found[1] for name in names if (found := _LEVEL.search(name))}
    refinements = {found[0] for name in names if (found := _REFINEMENT.search(name))}
    if len(levels) < 3:
        raise UserError(
            f"holds no generator of MADF; its names are {listed(map(repr, names)) or 'none'}"
        )
    if len(levels) > _MOST_LEVELS or len(refinements) > _MOST_REFINEMENTS:
        raise UserError(f"names {len(levels)} levels and {len(refinements)} refinement decoders")
    return len(levels), len(refinements)


def infer_widths(shapes: Mapping[str, Shape], *, ours: bool) -> Widths:
    """The widths that a file's shapes speak of.

    Only as many tensors as needed are looked at, and one that is missing counts as the published
    width: the caller compares all shapes with `parameter_names(widths)` next, which finds what does
    not fit.

    Args:
        shapes: by the reference's names, or if `ours` by our paths with the collection in front.
        ours: which of the two.

    Raises:
        UserError: the names are not a generator's.
    """
    depth, refinements = infer_depth_and_refinements(shapes)
    paper = Widths.paper(depth, refinements)

    def sizes(row_name: str, path: str, published: tuple[int, ...]) -> Shape:
        found = shapes.get(f"params/{path}/kernel" if ours else f"{row_name}.weight", ())
        if len(found) != 4 or min(found) < 1:
            return published
        return found if ours else (found[2], found[3], found[1], found[0])

    masks, skips = [], []
    for i in range(1, depth + 1):
        mask = (paper.kernel_sizes[i - 1], 0, 0, paper.mask_channels)
        masks.append(sizes(f"filter_gen_{i}.conv.0", f"encoder/level_{i}/mask_conv", mask))
        skip = (1, 1, paper.filters[i - 1], paper.skips[i - 1])
        skips.append(sizes(f"enc_up_{i}.0", f"encoder/level_{i}/skip", skip))
    hidden = (3, 3, 0, paper.modulation)
    shared = [
        sizes(
            f"dec_ref{j}_{i}.bn.mlp_shared.0",
            f"refinement_decoder_{j}/level_{i}/norm/shared",
            hidden,
        )
        for j in range(refinements)
        for i in range(2, depth + 1)
    ]
    return Widths(
        kernel_sizes=tuple(shape[0] for shape in masks),
        filters=tuple(shape[2] for shape in skips),
        skips=tuple(shape[3] for shape in skips),
        refinements=refinements,
        # One tensor out of step is then what gets refused, not all the others.
        mask_channels=statistics.mode(shape[3] for shape in masks),
        modulation=statistics.mode(shape[3] for shape in shared or [hidden]),
    )
