"""Classes of messages, in a module that every interpreter can import."""

import collections
import dataclasses
import enum


@dataclasses.dataclass
class Sample:
    number: int
    name: str
    value: float


@dataclasses.dataclass
class Series:
    name: str
    samples: list[Sample]
    more: dict[str, object]


class Colour(enum.Enum):
    RED = 1


Pair = collections.namedtuple("Pair", "first second")
