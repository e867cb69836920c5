"""Options that hold their own rules."""

import dataclasses
import math
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import pytest

from madf_jax.config.options import InitOptions
from madf_jax.errors import UserError
from madf_jax.options import check, option, options_of


@dataclasses.dataclass(frozen=True)
class Section:
    count: int = option(3, "images", minimum=1)
    odd: Sequence[int] = option(
        (7, 5), "kernel sizes", minimum=1, odd=True, min_length=1, max_length=8
    )
    share: float = option(0.5, "of the whole", minimum=0, below=1)
    rate: float = option(0.1, "per step", above=0)
    pair: tuple[float, float] = option((0.1, 0.4), "least and greatest", minimum=0, maximum=1)
    flip: bool = option(True, "half of the images")
    source: Literal["web", "folder"] = option("web", "or 'folder'")
    name: str = option("", "of a data set")
    path: str = option("", "of a folder", path=True)
    dtype: object = option(None, "of computation", key_default="float32", choices=("float32",))
    plain: int = 0

    def __post_init__(self):
        if self.dtype is not None:
            check("room", self)


def made(**changes):
    return Section(**{"dtype": "float32", **changes})


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"count": 0}, "room.count is 0; use 1 or more"),
        ({"count": 1.5}, "room.count is 1.5; use a whole number, 1 or more"),
        ({"count": True}, "room.count is True; use a whole number, 1 or more"),
        ({"count": "3"}, "room.count is '3'; use a whole number, 1 or more"),
        ({"count": None}, "room.count is None; use a whole number, 1 or more"),
        ({"count": 2**31}, "room.count is 2147483648; use at most 2147483647"),
        ({"odd": (7, 4)}, "room.odd is (7, 4); use numbers, each odd and 1 or more"),
        (
            {"odd": ()},
            "room.odd is (); use whole numbers in parentheses, each odd and 1 or more",
        ),
        ({"odd": "75"}, "room.odd is '75'; use whole numbers in parentheses"),
        ({"odd": 7}, "room.odd is 7; use whole numbers in parentheses"),
        ({"share": 1}, "room.share is 1; use 0 or more and below 1"),
        ({"share": math.nan}, "room.share is nan; use a finite number, 0 or more and below 1"),
        ({"rate": 0.0}, "room.rate is 0.0; use more than 0"),
        ({"rate": 1e-50}, "room.rate is 1e-50; use more than 0, in float32"),
        ({"rate": 1e50}, "room.rate is 1e+50; use a finite number, more than 0, in float32"),
        ({"share": 1 - 1e-9}, "room.share is 0.999999999; use 0 or more and below 1, in float32"),
        ({"rate": math.inf}, "room.rate is inf; use a finite number, more than 0"),
        ({"rate": -math.inf}, "room.rate is -inf; use a finite number, more than 0"),
        ({"rate": 10**400}, "000 ...; use a finite number, more than 0"),
        ({"pair": (0.1, 2)}, "room.pair is (0.1, 2); use numbers, each from 0 to 1"),
        (
            {"pair": (0.1, math.nan)},
            "room.pair is (0.1, nan); use finite numbers, each from 0 to 1",
        ),
        ({"pair": (0.1,)}, "room.pair is (0.1,); use two numbers in parentheses, each from 0 to 1"),
        ({"flip": 1}, "room.flip is 1; use True or False"),
        ({"source": "net"}, "room.source is 'net'; use 'web' or 'folder'"),
        ({"source": ["web"]}, "room.source is ['web']; use 'web' or 'folder'"),
        ({"name": 3}, "room.name is 3; use a text in quotes"),
        ({"path": 3}, "room.path is 3; use a path in quotes"),
        ({"path": "gs://bucket/x"}, "room.path=gs://bucket/x: only local paths are supported"),
        ({"path": "a\udcff"}, "is not valid UTF-8"),
        ({"dtype": "int8"}, "room.dtype is 'int8'; use 'float32'"),
        ({"odd": (3,) * 9}, "room.odd has 9 numbers; use at most 8"),
        ({"source": "x" * 9999}, "xxx ...; use 'web' or 'folder'"),
    ],
)
def test_a_value_that_is_not_allowed_is_named_with_what_is(changes, message):
    with pytest.raises(UserError) as raised:
        made(**changes)
    assert message in str(raised.value)
    assert len(str(raised.value)) < 200


def test_only_a_key_that_says_so_may_name_a_bucket():
    assert InitOptions(weights="gs://my-bucket/w.npz").weights == "gs://my-bucket/w.npz"
    with pytest.raises(UserError, match=r"init\.vgg_weights=gs://my-bucket/v\.npz: only local"):
        InitOptions(vgg_weights="gs://my-bucket/v.npz")


def test_values_take_the_kind_of_their_field():
    section = made(share=0, pair=[0, 1], odd=[3])
    assert (section.share, section.pair, section.odd) == (0.0, (0.0, 1.0), (3,))
    assert [type(value) for value in (section.share, *section.pair)] == [float] * 3


def test_paths_are_expanded_and_the_empty_one_stays_empty():
    assert made(path="~/images").path == str(Path.home() / "images")
    assert made().path == ""
    assert made(name="~").name == "~"


def test_options_are_the_fields_that_were_declared_as_such():
    options = options_of(Section)
    assert "plain" not in options
    assert options["count"].help == "images"
    assert (Section().dtype, options["dtype"].default) == (None, "float32")


def test_allowed_values_in_words():
    words = {name: rules.allowed for name, rules in options_of(Section).items()}
    assert words["count"] == "a whole number, 1 or more"
    assert words["source"] == "'web' or 'folder'"
    assert words["pair"] == "two numbers in parentheses, each from 0 to 1"
    assert words["flip"] == "True or False"
