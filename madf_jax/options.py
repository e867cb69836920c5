"""Options that hold their own rules: the fields of a config's sections.

A section is a dataclass whose fields are made by `option`. A key's default, meaning and allowed
values, and whether a run may continue with another value, are declared there and nowhere else: the
checks, the comments of `configs/default.py`, `docs/config.md` and the comparison with the config of
a working directory follow from them.
"""

import dataclasses
import math
import struct
import typing
from collections.abc import Callable, Sequence
from typing import Any, Literal

from madf_jax.errors import UserError
from madf_jax.files import any_path, local_path

_KEY = "option"
_LONGEST = 80  # characters of a value in a message
_LARGEST = 2**31 - 1  # of whole numbers, unless an option says otherwise: JAX counts in int32


@dataclasses.dataclass(frozen=True)
class Option:
    """The rules of one key.

    Attributes:
        help: the meaning and the unit, in one line.
        default: the value in `configs/default.py`.
        kind: the type annotation of the field; a `Literal` lists the choices.
        choices: the allowed values, where the annotation does not list them.
        minimum: least value, of each number if there are several; likewise the next three.
        maximum: greatest value.
        above: bound that a value must exceed.
        below: bound that a value must stay under.
        odd: whether the numbers must be odd.
        min_length: least count of numbers, for kinds without a fixed one.
        max_length: greatest count, likewise.
        path: whether the value names a local file or directory; '' stays ''.
        bucket: whether that may also be in a bucket, 'gs://BUCKET/...'.
        free: what changes if a run is continued with another value; '' refuses that, unless
            `training.changed_config` is 'accept'.
        per_process: whether the processes of a job may have different values.
        shapes: what of a value the shapes of the saved arrays depend on; None if nothing. A run
            can't be continued where this differs.
    """

    help: str
    default: Any
    kind: Any = None
    choices: tuple[Any, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    above: float | None = None
    below: float | None = None
    odd: bool = False
    min_length: int = 0
    max_length: int | None = None
    path: bool = False
    bucket: bool = False
    free: str = ""
    per_process: bool = False
    shapes: Callable[[Any], object] | None = None

    def conform(self, key: str, value: Any) -> Any:
        """A value as the section keeps it: paths expanded, lists as tuples, 1 as 1.0.

        Args:
            key: as the user writes it, for messages.
            value: as given.

        Raises:
            UserError: it is of another kind or not allowed.
        """
        if self.choices:
            if value not in self.choices:
                raise self._not_allowed(key, value)
            return value
        element, length = _elements(self.kind)
        if length is None:
            return self._conform_one(key, value, value, element)
        if isinstance(value, str) or not isinstance(value, Sequence):
            raise self._not_allowed(key, value)
        if length not in (0, len(value)) or len(value) < self.min_length:
            raise self._not_allowed(key, tuple(value))
        if self.max_length is not None and len(value) > self.max_length:
            raise UserError(f"{key} has {len(value)} numbers; use at most {self.max_length}")
        return tuple(self._conform_one(key, tuple(value), part, element) for part in value)

    def _conform_one(self, key: str, whole: Any, value: Any, kind: type) -> Any:
        if kind is bool or kind is str:
            if not isinstance(value, kind):
                raise self._not_allowed(key, whole)
            if not (self.path and value):
                return value
            return str((any_path if self.bucket else local_path)(str(value), key))
        # bool is a kind of int for Python, and not for a user.
        if isinstance(value, bool) or not isinstance(value, int if kind is int else int | float):
            raise self._not_allowed(key, whole)
        if kind is int and self.maximum is self.below is None and value > _LARGEST:
            raise UserError(f"{key} is {_shown(whole)}; use at most {_LARGEST}")
        single = value if kind is int else _in_float32(value)
        finite = kind is int or math.isfinite(single)
        if finite and self._in_range(value) and self._in_range(single):
            return kind(value)
        if isinstance(whole, tuple):
            what = f"{'' if finite else 'finite '}numbers, each "
        else:
            what = "" if finite else "a finite number, "
        precision = ", in float32" if _is_finite(value) and self._in_range(value) else ""
        raise UserError(f"{key} is {_shown(whole)}; use {what}{self._bounds}{precision}")

    def _in_range(self, value: float) -> bool:
        return (
            (self.minimum is None or value >= self.minimum)
            and (self.maximum is None or value <= self.maximum)
            and (self.above is None or value > self.above)
            and (self.below is None or value < self.below)
            and (not self.odd or value % 2 == 1)
        )

    def _not_allowed(self, key: str, value: Any) -> UserError:
        return UserError(f"{key} is {_shown(value)}; use {self.allowed}")

    @property
    def allowed(self) -> str:
        """The allowed values in words."""
        if self.choices:
            return _alternatives(self.choices)
        element, length = _elements(self.kind)
        if element is bool:
            return "True or False"
        if element is str:
            return "a path in quotes" if self.path else "a text in quotes"
        whole = "whole " if element is int else ""
        if length is None:
            return ", ".join(filter(None, (f"a {whole}number", self._bounds)))
        count = "two " * (length == 2)
        each = self._bounds and f", each {self._bounds}"
        return f"{count}{whole}numbers in parentheses{each}"

    @property
    def _bounds(self) -> str:
        if self.minimum is not None and self.maximum is not None:
            words = [f"from {self.minimum:g} to {self.maximum:g}"]
        else:
            words = [
                "" if self.minimum is None else f"{self.minimum:g} or more",
                "" if self.above is None else f"more than {self.above:g}",
                "" if self.maximum is None else f"at most {self.maximum:g}",
                "" if self.below is None else f"below {_number(self.below)}",
            ]
        return " and ".join(filter(None, ("odd" * self.odd, *words)))


def option(default: Any, help: str, *, key_default: Any = None, **rules: Any) -> Any:
    """A field of a section.

    Args:
        default: of the field.
        help: see `Option`, as all the rules.
        key_default: the value in `configs/default.py`, where it is not the field's default.
        **rules: other attributes of `Option`, without `kind`.
    """
    shown = default if key_default is None else key_default
    return dataclasses.field(
        default=default, metadata={_KEY: Option(help=help, default=shown, **rules)}
    )


def options_of(section: Any) -> dict[str, Option]:
    """The options of a section's class by name, in the order in which they are declared."""
    found = {}
    for field in dataclasses.fields(section):
        if (rules := field.metadata.get(_KEY)) is not None:
            choices = rules.choices or _choices(field.type)
            found[field.name] = dataclasses.replace(rules, kind=field.type, choices=choices)
    return found


def check(name: str, section: Any) -> None:
    """Checks every value of a new section; to be called in its `__post_init__`.

    Args:
        name: of the section, for messages.
        section: an instance of a frozen dataclass; its values are replaced by the conforming ones.

    Raises:
        UserError: names the first key whose value is not allowed.
    """
    for key, rules in options_of(type(section)).items():
        value = rules.conform(f"{name}.{key}", getattr(section, key))
        object.__setattr__(section, key, value)


def _choices(kind: Any) -> tuple[Any, ...]:
    return typing.get_args(kind) if typing.get_origin(kind) is Literal else ()


def _elements(kind: Any) -> tuple[type, int | None]:
    """The type of a value or of its parts, and how many parts: None for one value, 0 for any."""
    arguments = typing.get_args(kind)
    if not arguments:
        return kind, None
    if typing.get_origin(kind) is tuple and Ellipsis not in arguments:
        return arguments[0], len(arguments)
    return arguments[0], 0


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= _LONGEST else f"{text[:_LONGEST]} ..."


def _is_finite(value: float) -> bool:
    try:
        return math.isfinite(value)
    except OverflowError:  # a whole number beyond all floats
        return False


def _in_float32(value: float) -> float:
    """What JAX computes with: 1e-50 is 0 there, 1e50 infinite, and 1 - 1e-9 is 1."""
    try:
        return float(struct.unpack("f", struct.pack("f", value))[0])
    except (OverflowError, struct.error):
        return math.inf


def _alternatives(values: Sequence[Any]) -> str:
    words = [repr(value) for value in values]
    return " or ".join(filter(None, (", ".join(words[:-1]), words[-1])))


def _number(value: float) -> str:
    return "2**32" if value == 2**32 else f"{value:g}"
